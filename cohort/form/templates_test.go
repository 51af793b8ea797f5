package form

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template/parse"

	"jebi/cohort/words"
)

// pageTypes are the types that the pages are shown with.
func pageTypes() map[string]any {
	return map[string]any{
		"ask.html": askPage{}, "ballot.html": ballotPage{}, "board.html": boardPage{}, "choice.html": choicePage{}, "code.html": codePage{}, "draw.html": drawPage{},
		"failure.html": failurePage{}, "help.html": helpPage{}, "how.html": textPage{}, "notice.html": noticePage{}, "privacy.html": textPage{}, "receipt.html": receiptPage{},
		"result.html": resultPage{}, "review.html": ballotPage{}, "signin.html": signInPage{}, "start.html": startPage{}, "why.html": whyPage{}, "window.html": windowPage{}, "withdraw.html": withdrawPage{},
		"link.html": linkPage{}, "number.html": numberPage{}, "letter.html": letterPage{}, "proxy.html": proxyPage{}, "proxycode.html": proxyPage{}, "undo.html": undoPage{},
		"party.html": partyPage{}, "join.html": partyPage{}, "leave.html": partyPage{}, "elsewhere.html": elsewherePage{},
	}
}

// Every field and method that a template asks for is there, in every branch.
func TestTemplatesFitTheirTypes(t *testing.T) {
	ps, err := readPages()
	if err != nil {
		t.Fatal(err)
	}
	types := pageTypes()
	for name, tmpl := range ps.byName {
		page, ok := types[name]
		if !ok {
			t.Errorf("%s has no type", name)
			continue
		}
		delete(types, name)
		c := &checker{t: t, name: name, trees: map[string]*parse.Tree{}, root: reflect.TypeOf(page)}
		for _, x := range tmpl.Templates() {
			c.trees[x.Name()] = x.Tree
		}
		c.walk(c.trees["layout.html"].Root, c.root)
		if c.seen == 0 {
			t.Errorf("%s: nothing was checked", name)
		}
	}
	for name := range types {
		t.Errorf("%s is no page", name)
	}
}

// checker walks a template with the type that the dot has.
type checker struct {
	t     *testing.T
	name  string
	trees map[string]*parse.Tree
	root  reflect.Type
	seen  int
}

func (c *checker) walk(n parse.Node, dot reflect.Type) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n != nil {
			for _, x := range n.Nodes {
				c.walk(x, dot)
			}
		}
	case *parse.ActionNode:
		c.pipe(n.Pipe, dot)
	case *parse.IfNode:
		c.pipe(n.Pipe, dot)
		c.walk(n.List, dot)
		c.walk(n.ElseList, dot)
	case *parse.WithNode:
		inner := c.pipe(n.Pipe, dot)
		c.walk(n.List, inner)
		c.walk(n.ElseList, dot)
	case *parse.RangeNode:
		inner := c.pipe(n.Pipe, dot)
		if inner != nil && inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		c.walk(n.List, inner)
		c.walk(n.ElseList, dot)
	case *parse.TemplateNode:
		inner := dot
		if n.Pipe != nil {
			inner = c.pipe(n.Pipe, dot)
		}
		tree := c.trees[n.Name]
		if tree == nil {
			c.t.Errorf("%s: no template %s", c.name, n.Name)
			return
		}
		c.walk(tree.Root, inner)
	}
}

// pipe checks a pipeline and gives the type of what it yields, or nil.
func (c *checker) pipe(p *parse.PipeNode, dot reflect.Type) reflect.Type {
	var out reflect.Type
	for _, cmd := range p.Cmds {
		out = nil
		for i, arg := range cmd.Args {
			var typ reflect.Type
			switch a := arg.(type) {
			case *parse.DotNode:
				typ = dot
			case *parse.FieldNode:
				typ = c.chain(dot, a.Ident)
			case *parse.VariableNode:
				if a.Ident[0] != "$" {
					c.t.Errorf("%s: the checker knows no variable %s", c.name, a.Ident[0])
					continue
				}
				typ = c.chain(c.root, a.Ident[1:])
			case *parse.PipeNode:
				c.pipe(a, dot)
			}
			if i == 0 {
				out = typ
			}
		}
	}
	return out
}

// chain follows fields and methods from a type.
func (c *checker) chain(from reflect.Type, idents []string) reflect.Type {
	typ := from
	for _, id := range idents {
		c.seen++
		if typ == nil {
			c.t.Errorf("%s: .%s of something unknown", c.name, strings.Join(idents, "."))
			return nil
		}
		if m, ok := typ.MethodByName(id); ok {
			typ = m.Type.Out(0)
			continue
		}
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		f, ok := reflect.StructField{}, false
		if typ.Kind() == reflect.Struct {
			f, ok = typ.FieldByName(id)
		}
		if !ok {
			c.t.Errorf("%s: %v has no %s", c.name, typ, id)
			return nil
		}
		typ = f.Type
	}
	return typ
}

var (
	wordKey   = regexp.MustCompile(`"((?:form|flaws|time)\.[a-z0-9_.-]+)"`)
	wordStart = regexp.MustCompile(`"((?:form|flaws)\.[a-z0-9_.-]*\.)(?:"|%s)`)
)

// Every text that pages ask for is in the books, and every text of the form is
// asked for.
func TestTextsAreUsedAndThere(t *testing.T) {
	book := words.New()
	keys := book.Keys("ko")
	used := map[string]bool{}
	var starts []string
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(files, more...) {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range wordKey.FindAllStringSubmatch(string(b), -1) {
			if strings.HasSuffix(m[1], ".") {
				continue
			}
			used[m[1]] = true
			if !slices.Contains(keys, m[1]) {
				t.Errorf("%s asks for %s, which is not there", f, m[1])
			}
		}
		for _, m := range wordStart.FindAllStringSubmatch(string(b), -1) {
			starts = append(starts, m[1])
		}
	}
	for _, k := range keys {
		if !strings.HasPrefix(k, "form.") || used[k] || slices.ContainsFunc(starts, func(s string) bool {
			return strings.HasPrefix(k, s) && !strings.Contains(strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(k[len(s):], ".what"), ".tag"), ".title"), ".text"), ".button"), ".")
		}) {
			continue
		}
		t.Errorf("%s is asked for nowhere", k)
	}
}

// What stands where in the state of a result, a window or a cohort has its
// words.
func TestEveryStateHasItsWords(t *testing.T) {
	book := words.New()
	for pattern, values := range map[string][]string{
		"form.standing.%s":      {"not_yet", "closed", "paused", "published", "assigned", "settled", "void", "no_cohort", "vaccinated", "moved", "removed", "dead"},
		"form.standing.%s.what": {"not_yet", "closed", "paused", "published", "assigned", "settled", "void", "no_cohort", "vaccinated", "moved", "removed", "dead"},
		"form.cohort.%s":        {"open", "not_yet", "closed", "paused", "published", "settled", "void"},
		"form.cohort.%s.tag":    {"open", "not_yet", "closed", "paused", "published", "settled", "void"},
		"form.state.%s":         {"draft", "announced", "open", "closed", "frozen", "drawn", "published", "settled", "void"},
		"form.result.%s":        {"no_cohort", "no_ballot", "pending", "void", "excluded", "assigned", "confirmed", "waiting", "declined", "lapsed", "cancelled", "closed", "moved", "off"},
		"form.result.%s.text":   {"no_cohort", "no_ballot", "pending", "void", "excluded", "waiting", "declined", "lapsed", "cancelled", "closed", "moved", "off"},
		"form.result.off.%s":    {"lapses", "asked", "ineligible", "vaccinated", "settled"},
		"form.result.done.%s":   {"accept", "decline", "cancel", "offer-accept", "offer-decline", "leave"},
		"form.ask.%s.title":     {"decline", "cancel", "offer-decline", "leave"},
		"form.kind.%s":          {"clinic", "hospital", "centre"},
		"flaws.%s":              {"none", "too_many", "no_clinic", "unknown_clinic", "no_date", "unknown_part", "no_part", "no_slot", "same_twice"},
		"entry.relation.%s":     relations[:],
		"entry.letter.%s.what":  {"used", "expired", "attempts"},
		"entry.link.%s.what":    {"wrong", "used", "expired"},
		"entry.join.%s":         {"wrong", "used", "cohort", "full", "mate"},
		"entry.party.just.%s":   {"started", "joined", "left"},
		"form.fail.%s.text":     {"signed_out", "busy", "caps_phone", "caps_address", "caps_money", "caps_tries", "caps_person", "caps_campaign", "caps_proxy_money", "party", "bad_form", "foreign", "not_found", "internal"},
	} {
		for _, v := range values {
			for _, lang := range book.Languages() {
				if key := fmt.Sprintf(pattern, v); !book.Has(lang, key) {
					t.Errorf("%s: no %s", lang, key)
				}
			}
		}
	}
}

// The static files are those that pages name.
func TestStaticFiles(t *testing.T) {
	var names []string
	err := fs.WalkDir(static, ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, p)
		}
		return err
	})
	if err != nil || !slices.Equal(names, []string{"static/icon.svg", "static/session.js", "static/style.css"}) {
		t.Errorf("static files %v %v", names, err)
	}
}
