package lottery

import (
	"errors"
	"fmt"
	"strings"
)

// checkCheckpoint compares the checkpoint with the leaves and excluded.json, and its signature with the operator's
// key where that is known.
func (v *verifier) checkCheckpoint() {
	const part = "checkpoint"
	file, err := v.read(FileCheckpoint)
	if err == nil && file == nil {
		if v.opts.Frozen {
			v.report.fails(part, "%s is missing", FileCheckpoint)
			return
		}
		v.report.absent(part, "")
		return
	}
	if err == nil && v.root == nil {
		err = errors.New("not checked: the root fails")
	}
	if err != nil {
		v.report.fails(part, "%v", err)
		return
	}
	c, err := ParseCheckpoint(file)
	if err == nil {
		err = v.compareCheckpoint(c)
	}
	key, keyErr := v.operatorKey()
	if err == nil {
		err = keyErr
	}
	if err == nil && key != "" {
		err = CheckSigned(file, key)
	}
	if err != nil {
		v.report.fails(part, "checkpoint: %v", err)
		return
	}
	v.checkpoint, v.signed = &c, file
	if key == "" {
		v.report.absent(part, "it is over these leaves; no operator's key to check its signature with")
		return
	}
	v.report.holds(part, "signed by %s", strings.SplitN(key, "+", 2)[0])
}

func (v *verifier) compareCheckpoint(c Checkpoint) error {
	switch {
	case v.manifest.Authority != "" && c.Origin != v.manifest.Origin():
		return fmt.Errorf("line 1: origin %q, the manifest gives %q", c.Origin, v.manifest.Origin())
	case !strings.HasSuffix(c.Origin, "/slotdraw/"+v.manifest.DrawID):
		return fmt.Errorf("line 1: origin %q is not of draw %s", c.Origin, v.manifest.DrawID)
	case c.Size != uint64(leafCount(v.leaves)):
		return fmt.Errorf("line 2: size %d, there are %d leaves", c.Size, leafCount(v.leaves))
	case c.Root != *v.root:
		return fmt.Errorf("line 3: root %s, the leaves give %s", c.Root, v.root)
	case c.Sample && !v.manifest.Sample:
		return errors.New("it says sample, the manifest is of a real draw")
	case c.Excluded.IsZero():
		return nil
	case v.excluded == nil:
		return fmt.Errorf("it carries the hash of %s, which is missing", FileExcluded)
	case c.Excluded != FileHash(v.excluded):
		return fmt.Errorf("it carries excluded %s, the file has H %s", c.Excluded, FileHash(v.excluded))
	}
	return nil
}

// operatorKey is the operator's verifier key, "" if nobody knows it.
func (v *verifier) operatorKey() (string, error) {
	given, announced := strings.TrimSpace(v.opts.OperatorKey), v.manifest.OperatorKey
	if given != "" && announced != "" && given != announced {
		return "", fmt.Errorf("the manifest's operator_key is %s, not the given %s", announced, given)
	}
	if given != "" {
		return given, nil
	}
	return announced, nil
}

func (v *verifier) checkWitnesses() {
	const part = "witnesses"
	switch {
	case v.manifest == nil:
		v.report.fails(part, "not checked: the manifest fails")
		return
	case len(v.manifest.Witnesses) == 0 && v.manifest.MinWitnesses == 0:
		v.report.absent(part, "the manifest announces none")
		return
	case v.checkpoint == nil && v.report.Find("checkpoint").State == Fails:
		v.report.fails(part, "not checked: the checkpoint fails")
		return
	case v.checkpoint == nil:
		v.report.absent(part, "there is no checkpoint")
		return
	}
	if v.opts.Frozen {
		v.checkFirstWitness()
		return
	}
	at, err := v.manifest.CheckCosigned(v.signed)
	if err != nil {
		v.report.fails(part, "checkpoint: %v", err)
		return
	}
	if closes := v.manifest.Deadlines.Closes; !v.manifest.Sample && at.Before(closes) {
		v.report.fails(part, "cosigned at %s, before the close at %s", utcSeconds(at), utcSeconds(closes))
		return
	}
	v.witnessed = at
	v.report.holds(part, "enough of them at %s", utcSeconds(at))
}

// checkFirstWitness is for a draw that is just frozen: cosignatures may still be missing, none may be wrong.
func (v *verifier) checkFirstWitness() {
	const part = "witnesses"
	if _, err := v.manifest.witnessKeys(); err != nil {
		v.report.fails(part, "manifest.json: %v", err)
		return
	}
	at, err := v.manifest.CheckCosigned(v.signed)
	if err != nil {
		v.report.absent(part, "%v", err)
		return
	}
	v.report.holds(part, "enough of them at %s", utcSeconds(at))
}
