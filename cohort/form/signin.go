package form

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"time"

	"jebi/cohort"
	"jebi/data"
)

type signInPage struct {
	frame
	Name, Birth, Phone string
	Way                string // "sms" or "email"
	Expired            bool
	Proxies            bool // somebody else may answer for her
}

// signIn asks who she is.
func (f *Form) signIn(v *visit) error {
	if v.session != nil {
		return goTo("/window")
	}
	f.show(v, http.StatusOK, "signin.html", signInPage{frame: f.frame(v, "form.signin.title"), Way: "sms", Expired: f.hadSession(v), Proxies: v.campaign.Rules.MaxProxied > 0})
	return nil
}

// hadSession says whether a session has ended without her doing.
func (f *Form) hadSession(v *visit) bool {
	_, ok := f.cookieHash(v, sessionCookie)
	return ok && v.session == nil
}

// askCode has a code sent, if the three things are those of a person on the
// list. The answer is the same whether they are or not.
func (f *Form) askCode(v *visit) error {
	p := signInPage{frame: f.frame(v, "form.signin.title"), Name: v.field("name", 100), Birth: v.field("birth", 20), Phone: v.field("phone", 40), Way: v.field("way", 5), Proxies: v.campaign.Rules.MaxProxied > 0}
	birth, number := birthDate(p.Birth), phone(p.Phone)
	if p.Name == "" {
		p.Problems = append(p.Problems, problem{"name", p.T("form.signin.name.missing")})
	}
	if birth == "" {
		p.Problems = append(p.Problems, problem{"birth", p.T("form.signin.birth.wrong")})
	}
	if number == "" {
		p.Problems = append(p.Problems, problem{"phone", p.T("form.signin.phone.wrong")})
	}
	if p.Way != "sms" && p.Way != "email" {
		p.Problems, p.Way = append(p.Problems, problem{"way", p.T("form.signin.way.missing")}), "sms"
	}
	if len(p.Problems) > 0 {
		f.show(v, http.StatusUnprocessableEntity, "signin.html", p)
		return nil
	}
	if p.Way == "sms" {
		spent, err := f.textsSpent(v)
		if err != nil {
			return err
		}
		if spent {
			return &data.TooManyCodes{Cap: "money"}
		}
	}
	value, handle, err := f.secret()
	if err != nil {
		return err
	}
	name := plainName(p.Name)
	asked, err := f.DB.AskCode(v.Context(), data.CodeRequest{
		Campaign: v.row.ID, Handle: handle, CodeHash: cohort.CodeHash(f.Key, handle[:], cohort.OneTimeCode(f.Key, handle[:])),
		Way: p.Way, Phone: number, BirthDate: birth,
		PhoneHash: cohort.Keyed(f.Key, "phone", number), Address: cohort.Keyed(f.Key, "address", f.address(v.Request)), Lasts: f.CodeLasts,
	}, f.Caps, func(listed string) bool {
		a, b := sha256.Sum256([]byte(plainName(listed))), sha256.Sum256([]byte(name))
		return subtle.ConstantTimeCompare(a[:], b[:]) == 1
	})
	if err != nil {
		return err
	}
	if p.Way == "sms" && asked.Person != 0 {
		f.texts.add()
	}
	f.setCookie(v, handleCookie, value)
	return goTo("/code")
}

type codePage struct {
	frame
	Minutes int
	Over    bool
}

// code asks for the code.
func (f *Form) code(v *visit) error {
	if v.session != nil {
		return goTo("/window")
	}
	if _, ok := f.cookieHash(v, handleCookie); !ok {
		return goTo("/sign-in")
	}
	f.show(v, http.StatusOK, "code.html", codePage{frame: f.frame(v, "form.code.title"), Minutes: int(f.CodeLasts / time.Minute)})
	return nil
}

type numberPage struct {
	frame
	Ref string // of the wish for a code
}

// codeNumber gives the reference by which the call centre finds out why no
// code came. It has a page of its own, so that the page before is the same to
// the byte for everybody.
func (f *Form) codeNumber(v *visit) error {
	handle, ok := f.cookieHash(v, handleCookie)
	if !ok {
		return goTo("/sign-in")
	}
	id, err := f.DB.AskedID(v.Context(), handle)
	if errors.Is(err, data.ErrNotFound) {
		return goTo("/sign-in")
	}
	if err != nil {
		return err
	}
	f.show(v, http.StatusOK, "number.html", numberPage{f.frame(v, "entry.number.title"), cohort.Reference(id)})
	return nil
}

// useCode begins a session with the right code.
func (f *Form) useCode(v *visit) error {
	handle, ok := f.cookieHash(v, handleCookie)
	if !ok {
		return goTo("/sign-in")
	}
	p := codePage{frame: f.frame(v, "form.code.title"), Minutes: int(f.CodeLasts / time.Minute)}
	typed := codeDigits(v.PostForm.Get("code"))
	if len(typed) != 8 {
		p.Problems = []problem{{"code", p.T("form.code.form")}}
		f.show(v, http.StatusUnprocessableEntity, "code.html", p)
		return nil
	}
	value, token, err := f.secret()
	if err != nil {
		return err
	}
	typedHash := cohort.CodeHash(f.Key, handle[:], typed)
	_, err = f.DB.UseCode(v.Context(), handle, func(stored []byte) bool {
		return subtle.ConstantTimeCompare(stored, typedHash[:]) == 1
	}, token, f.Idle)
	var wrong *data.WrongCode
	switch {
	case errors.As(err, &wrong) && wrong.Left > 0:
		f.countFailure(v)
		p.Problems = []problem{{"code", p.T("form.code.wrong", "left", wrong.Left)}}
		f.show(v, http.StatusUnprocessableEntity, "code.html", p)
		return nil
	case errors.As(err, &wrong), errors.Is(err, data.ErrCodeOver):
		f.countFailure(v)
		p.Over = true
		p.Problems = []problem{{"again", p.T("form.code.over")}}
		f.show(v, http.StatusUnprocessableEntity, "code.html", p)
		return nil
	case err != nil:
		return err
	}
	return f.enter(v, value)
}

// How many wrong codes there are between two looks at the whole, and when the
// whole is alarming: of at least so many attempts in ten minutes, over half
// failed.
const (
	alarmEvery    = 16
	alarmAttempts = 50
)

// countFailure rings the alarm where codes fail more than people's slips
// explain.
func (f *Form) countFailure(v *visit) {
	f.alarm.mu.Lock()
	f.alarm.fails++
	look := f.alarm.fails%alarmEvery == 0
	f.alarm.mu.Unlock()
	if !look {
		return
	}
	tries, failures, err := f.DB.CodeTries(v.Context(), v.row.ID)
	if err != nil {
		f.Log.Warn("the failures at codes cannot be counted", "error", err.Error())
		return
	}
	if tries >= alarmAttempts && failures*2 > tries {
		f.alarm.mu.Lock()
		f.alarm.Rung++
		f.alarm.mu.Unlock()
		if _, err := f.DB.Alarm(v.Context(), v.row.ID, tries, failures); err != nil {
			f.Log.Warn("the officials cannot be told of the alarm", "error", err.Error())
		}
		f.Log.Error("ALARM: one-time codes are being guessed", "campaign", v.row.Key, "attempts", tries, "failures", failures, "minutes", 10)
	}
}

// Alarms counts how often the failures at codes were alarming since the start.
func (f *Form) Alarms() int {
	f.alarm.mu.Lock()
	defer f.alarm.mu.Unlock()
	return f.alarm.Rung
}

// textsFresh is how long a count of today's text messages is believed.
const textsFresh = 10 * time.Second

// textsSpent says whether the campaign's text messages are used up for today.
func (f *Form) textsSpent(v *visit) (bool, error) {
	most := v.campaign.Senders.SMS.DailyCap
	if most <= 0 {
		return false, nil
	}
	now, err := f.DB.Now(v.Context())
	if err != nil {
		return false, err
	}
	local := now.In(zoneOr(v.campaign.Location))
	f.texts.mu.Lock()
	defer f.texts.mu.Unlock()
	if age := now.Sub(f.texts.read); age < 0 || age > textsFresh || f.texts.day != local.Format(time.DateOnly) {
		midnight := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, local.Location())
		n, err := f.DB.TextsSince(v.Context(), v.row.ID, midnight)
		if err != nil {
			return false, err
		}
		f.texts.day, f.texts.count, f.texts.read = local.Format(time.DateOnly), n, now
	}
	return f.texts.count >= most, nil
}

func (b *textBudget) add() {
	b.mu.Lock()
	b.count++
	b.mu.Unlock()
}
