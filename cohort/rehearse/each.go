package rehearse

import (
	"context"
	"iter"

	"golang.org/x/sync/errgroup"
)

// each calls do for every item, several at once, and answers the first error.
func each[T any](ctx context.Context, workers int, items iter.Seq[T], do func(context.Context, T) error) error {
	g, ctx := errgroup.WithContext(ctx)
	work := make(chan T)
	for range workers {
		g.Go(func() error {
			for x := range work {
				if err := do(ctx, x); err != nil {
					return err
				}
			}
			return nil
		})
	}
	g.Go(func() error {
		defer close(work)
		for x := range items {
			select {
			case work <- x:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	return g.Wait()
}
