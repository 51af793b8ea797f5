package lottery

import (
	"reflect"
	"testing"
)

func TestBenchStagesAgreeWithReference(t *testing.T) {
	b, err := NewBench(3000, 7, true)
	if err != nil {
		t.Fatal(err)
	}
	if b.People() != 3000 || b.Slots() == 0 || b.Layout().Len() != 3000 {
		t.Fatalf("%d people, %d slots", b.People(), b.Slots())
	}
	deferred, err := b.Deferred()
	if err != nil {
		t.Fatal(err)
	}
	for seating, stages := range map[Seating][]BenchStage{
		Serial: {b.Serial(), b.Naive()}, Flexible: {b.Flexible()}, Fixed: {deferred},
	} {
		want, err := Serve(b.Layout().Problem(seating), seating)
		if err != nil {
			t.Fatal(err)
		}
		reference := b.Layout().newTaken()
		for i, x := range want.Slot {
			if x != None {
				reference.choice[i], reference.slot[i] = uint8(want.Choice[i]), b.Layout().numbers[x]+1
			}
		}
		for _, stage := range stages {
			for range 2 {
				stage.Reset()
				stage.Run()
				if got := stage.Sum(); got != reference.sum(b.Layout()) {
					t.Errorf("%s does not give what the reference gives", stage.Name)
				}
			}
		}
		got, err := b.Layout().Serve(seating)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(want, got) {
			t.Errorf("%s: the fast layout does not give what the reference gives", seating)
		}
	}
}

func TestBenchIsOneSeed(t *testing.T) {
	sum := func(seed uint64) uint64 {
		b, err := NewBench(500, seed, false)
		if err != nil {
			t.Fatal(err)
		}
		s := b.Serial()
		s.Reset()
		s.Run()
		c := b.CutOffs()
		c.Reset()
		c.Run()
		bound := b.StreamBound()
		bound.Reset()
		bound.Run()
		return s.Sum() ^ c.Sum()*31 ^ bound.Sum()*961
	}
	if first, again := sum(1), sum(1); first != again {
		t.Error("the same seed gave two draws")
	}
	if sum(1) == sum(2) {
		t.Error("two seeds gave the same draw")
	}
}

func TestSerialAllocatesNothing(t *testing.T) {
	b, err := NewBench(2000, 1, false)
	if err != nil {
		t.Fatal(err)
	}
	deferred, err := b.Deferred()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []BenchStage{b.Serial(), deferred, b.StreamBound()} {
		if n := testing.AllocsPerRun(3, func() {
			s.Reset()
			s.Run()
		}); n != 0 {
			t.Errorf("%s: %v allocations", s.Name, n)
		}
	}
}
