package command

import (
	"context"
	"errors"
)

func (r *run) cluster(_ context.Context, args []string) error {
	if err := r.parse(args); err != nil {
		return err
	}
	return errors.New("not there yet")
}
