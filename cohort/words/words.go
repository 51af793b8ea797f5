// Package words is every text that citizens read, in each language: of the
// form, of messages, of explanations. A language is a folder of JSON files
// beside this one; adding a folder adds the language.
//
// It refuses to decide what is said to whom, knows no campaign and no clock,
// and never makes a text out of anything but its files and the arguments.
package words

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

//go:embed */*.json
var files embed.FS

// Book holds the texts of all languages. It does not change after it is made
// and may be shared.
type Book struct {
	langs []string
	texts map[string]map[string]text // by language, by key
}

// New opens the texts that the program carries. It panics where they cannot
// be read, which the tests of this package rule out.
func New() *Book {
	b, err := Load(files)
	if err != nil {
		panic(err)
	}
	return b
}

// Load reads a folder of languages: LANG/NAME.json, each one JSON object of
// keys, which begin with "NAME.", and texts. An error names the file.
func Load(fsys fs.FS) (*Book, error) {
	b := &Book{texts: map[string]map[string]text{}}
	names, err := fs.Glob(fsys, "*/*.json")
	if err != nil {
		return nil, fmt.Errorf("words: %w", err)
	}
	for _, name := range names {
		raw, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("words: %w", err)
		}
		var entries map[string]string
		if err := json.Unmarshal(raw, &entries); err != nil {
			return nil, fmt.Errorf("words: %s: %w", name, err)
		}
		lang, prefix := path.Dir(name), strings.TrimSuffix(path.Base(name), ".json")+"."
		if b.texts[lang] == nil {
			b.texts[lang] = map[string]text{}
			b.langs = append(b.langs, lang)
		}
		for key, s := range entries {
			if !strings.HasPrefix(key, prefix) {
				return nil, fmt.Errorf("words: %s: the key %s does not begin with %s", name, key, prefix)
			}
			t, err := parse(s)
			if err != nil {
				return nil, fmt.Errorf("words: %s: %s: %w", name, key, err)
			}
			b.texts[lang][key] = t
		}
	}
	slices.Sort(b.langs)
	return b, nil
}

// Languages lists the language tags, sorted.
func (b *Book) Languages() []string { return slices.Clone(b.langs) }

// Speaks says whether there are texts in a language.
func (b *Book) Speaks(lang string) bool { return slices.Contains(b.langs, lang) }

// Keys lists the keys of a language, sorted.
func (b *Book) Keys(lang string) []string {
	keys := make([]string, 0, len(b.texts[lang]))
	for k := range b.texts[lang] {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Has says whether a language has the key.
func (b *Book) Has(lang, key string) bool {
	_, ok := b.texts[lang][key]
	return ok
}

// Placeholders lists the names that the text of a key asks for, sorted.
func (b *Book) Placeholders(lang, key string) []string { return b.texts[lang][key].names() }

// Text gives the text of a key with its arguments (strings, whole numbers, or
// anything that prints itself) filled in. A language without the key falls
// back to English, then to any; a key that nobody has is given back itself,
// so that a page never breaks over a word.
func (b *Book) Text(lang, key string, args map[string]any) string {
	if t, ok := b.texts[lang][key]; ok {
		return t.fill(args)
	}
	if t, ok := b.texts["en"][key]; ok {
		return t.fill(args)
	}
	for _, l := range b.langs {
		if t, ok := b.texts[l][key]; ok {
			return t.fill(args)
		}
	}
	return key
}
