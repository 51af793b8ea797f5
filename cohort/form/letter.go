package form

import (
	"crypto/subtle"
	"errors"
	"net/http"

	"jebi/cohort"
	"jebi/data"
)

type letterPage struct {
	frame
	Code, Birth string
	Why         string // "used", "expired" or "attempts": this code is over
}

// letter asks for the code that is printed in her letter.
func (f *Form) letter(v *visit) error {
	if v.session != nil {
		return goTo("/window")
	}
	f.show(v, http.StatusOK, "letter.html", letterPage{frame: f.frame(v, "entry.letter.title")})
	return nil
}

// useLetter begins a session with the code and the birth date. The code works
// once; the page that follows gives her the one for her next visit.
func (f *Form) useLetter(v *visit) error {
	p := letterPage{frame: f.frame(v, "entry.letter.title"), Code: v.field("code", 40), Birth: v.field("birth", 20)}
	code, err := cohort.ParseLetterCode(p.Code)
	if err != nil {
		p.Problems = append(p.Problems, problem{"code", p.T("entry.letter.code.form")})
	}
	birth := birthDate(p.Birth)
	if birth == "" {
		p.Problems = append(p.Problems, problem{"birth", p.T("form.signin.birth.wrong")})
	}
	if len(p.Problems) > 0 {
		f.show(v, http.StatusUnprocessableEntity, "letter.html", p)
		return nil
	}
	value, token, err := f.secret()
	if err != nil {
		return err
	}
	next := cohort.NextLetterCode(f.Key, token)
	_, _, err = f.DB.UseEntry(v.Context(), data.EntryUse{
		Campaign: v.row.ID, Way: cohort.WayLetter, Handle: cohort.EntryHandle(f.Key, cohort.WayLetter, v.campaign.Key, code),
		Address: f.addressHash(v), Caps: f.EntryCaps, Token: token, Idle: f.Idle,
		Next: func(e data.EntryRow) (handle, hash [32]byte) {
			return cohort.EntryHandle(f.Key, cohort.WayLetter, v.campaign.Key, next), cohort.LetterHash(f.Key, v.campaign.Key, e.Key, next)
		},
	}, func(e data.EntryRow) bool {
		hash := cohort.LetterHash(f.Key, v.campaign.Key, e.Key, code)
		return subtle.ConstantTimeCompare(e.Hash, hash[:])&subtle.ConstantTimeCompare([]byte(e.BirthDate), []byte(birth)) == 1
	})
	var no *data.EntryRefused
	switch {
	case errors.As(err, &no) && no.Why == "wrong":
		// The same for a code that nobody has and for one with another birth date.
		f.countFailure(v)
		p.Problems = []problem{{"code", p.T("entry.letter.wrong")}}
	case errors.As(err, &no):
		f.countFailure(v)
		p.Why = no.Why
		p.Problems = []problem{{"over", p.T("entry.letter." + no.Why)}}
	case err != nil:
		return err
	default:
		return f.enter(v, value)
	}
	f.show(v, http.StatusUnprocessableEntity, "letter.html", p)
	return nil
}

// nextCode is the code with which a visitor who came with a letter comes back,
// or "".
func (f *Form) nextCode(v *visit) string {
	if v.session == nil || v.session.Way != cohort.WayLetter {
		return ""
	}
	token, ok := f.cookieHash(v, sessionCookie)
	if !ok {
		return ""
	}
	return cohort.FormatLetterCode(cohort.NextLetterCode(f.Key, token))
}
