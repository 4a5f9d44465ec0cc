package app

import (
	"errors"
	"log/slog"
	"strings"
)

// levelNone is above every level, so that nothing is logged.
const levelNone = slog.Level(1000)

// parseLevel reads --log_output_level: a level, or the classic list of
// scope:level. There are no scopes here, so the lowest level of the list counts
// for everything.
func parseLevel(s string) (slog.Level, error) {
	lowest := levelNone
	for _, item := range strings.Split(s, ",") {
		if _, level, ok := strings.Cut(item, ":"); ok {
			item = level
		}
		level, ok := map[string]slog.Level{
			"debug": slog.LevelDebug,
			"info":  slog.LevelInfo,
			"warn":  slog.LevelWarn,
			"error": slog.LevelError,
			"fatal": slog.LevelError,
			"none":  levelNone,
		}[strings.ToLower(strings.TrimSpace(item))]
		if !ok {
			return 0, errors.New("must be debug, info, warn, error or none")
		}
		lowest = min(lowest, level)
	}
	return lowest, nil
}
