package health

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"
)

// ErrPaused is returned by a check of [TouchFile] when the file is to grow old on
// purpose; it is not logged.
var ErrPaused = errors.New("health checks are paused")

// TouchFile runs check now and every interval, and after each success sets the
// file's time to now, making the file where it is missing, until ctx is done; then
// it returns nil. [Probe] looks at the file. A failure is logged when it begins and
// when it ends.
func TouchFile(ctx context.Context, file string, interval time.Duration, check func(context.Context) error, log *slog.Logger) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	failure := ""
	for {
		err := check(ctx)
		if err == nil {
			err = touch(file, time.Now())
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrPaused):
		case err != nil && err.Error() != failure:
			failure = err.Error()
			log.Error("health check file not touched", "file", file, "error", err)
		case err == nil && failure != "":
			failure = ""
			log.Info("health check file touched again", "file", file)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func touch(file string, now time.Time) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("%w: choose a --healthCheckFile in a writable directory", err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Chtimes(file, now, now)
}

// Probe returns an error unless the file was touched within the interval before
// now.
func Probe(file string, interval time.Duration, now time.Time) error {
	info, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("the server has not answered its own health check yet: %w", err)
	}
	if age := now.Sub(info.ModTime()); age > interval {
		return fmt.Errorf("file %s was touched %s ago, more than the interval %s: the server does not answer its own health check",
			file, age.Round(time.Millisecond), interval)
	}
	return nil
}
