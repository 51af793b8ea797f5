package form

import (
	"testing"
)

func TestWholePath(t *testing.T) {
	w := newTown(t)
	b := w.signedIn()
	b.wants(200, "/window", "김하나님의 신청", "7월 14일(수) 오전 9시부터 7월 16일(금) 오후 6시까지")
	b.answer()
	if n := w.count(`SELECT count(*) FROM @ballot WHERE channel = 'web' AND session_id IS NOT NULL`); n != 1 {
		t.Errorf("%d ballots", n)
	}
}
