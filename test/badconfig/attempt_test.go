//go:build e2e

package badconfig

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// attempt is one mistake, made in one way.
type attempt struct {
	mode
	way
	mistake
	// restart has servers restarted while the mistake is stored.
	restart bool
}

// attempt makes the mistake. Whatever becomes of it, the good configuration must stay
// in force, and a restarted server must serve it.
func (s *site) attempt(ctx context.Context, t *testing.T, a attempt) {
	m, w, mistake := a.mode, a.way, a.mistake
	c, err := s.change(ctx, mistake)
	if err != nil {
		t.Fatalf("%s: %v", mistake.name, err)
	}
	if !w.can(s, c) {
		return
	}
	s.sum.tries++
	failedBefore := s.load.Failed()
	wrong := func(format string, args ...any) {
		s.sum.wrong++
		t.Errorf(mistake.name+": "+format, args...)
	}
	if m.down || a.restart {
		if err := s.recorded(ctx); err != nil {
			t.Errorf("%s: %v", mistake.name, err)
		}
	}
	begin := time.Now()
	if m.down {
		s.stopLoad()
		if err := s.down(ctx); err != nil {
			t.Fatal(err)
		}
	}
	err = w.write(ctx, s, c)
	refused := err != nil
	switch {
	case refused:
		s.sum.refused++
		if why := unexpected(err); why != "" {
			t.Errorf("%s: refused, but %s: %v", mistake.name, why, err)
		}
		for _, word := range mistake.says {
			if m.guard && !m.down && !strings.Contains(w.name, "helm") && !strings.Contains(err.Error(), word) {
				t.Errorf("%s: the refusal does not say %q: %v", mistake.name, word, err)
			}
		}
	default:
		s.sum.stored++
		if m.guard && !m.down && mistake.stored == "" {
			t.Errorf("%s: the guard let it in", mistake.name)
		}
	}
	if m.down {
		if err := s.up(ctx); err != nil {
			wrong("the servers do not come back: %v", err)
			s.mend(ctx, t)
		}
		s.startLoad(ctx)
	}
	if !refused && !m.down {
		if err := s.judged(ctx, begin); err != nil {
			wrong("%v", err)
		}
	}
	if err := s.keeps(ctx); err != nil {
		wrong("%v", err)
	}
	if !refused && !m.down && a.restart {
		s.restarted(ctx, t, mistake)
		if mistake.stored == half {
			if err := s.inVain(ctx); err != nil {
				wrong("%v", err)
			}
		} else {
			if err := s.until(ctx, judgedLimit, func() error { return s.told(ctx, begin) }); err != nil {
				t.Errorf("%s: %v", mistake.name, err)
			}
		}
	}
	for _, pod := range s.marks.taken() {
		wrong("%s", pod)
	}
	if failed := s.load.Failed() - failedBefore; failed > 0 && !m.down {
		t.Errorf("%s: %d failed admissions", mistake.name, failed)
	}
	t.Logf("%s: refused %v, %d ms", mistake.name, refused, time.Since(begin).Milliseconds())
	if !refused {
		if err := s.put(ctx, w, s.good); err != nil {
			t.Errorf("%s: mended, but %v", mistake.name, err)
			s.mend(ctx, t)
		}
	}
}

// change is a mistake as those want it who write values, and those who write
// objects. The objects of a mistake that the chart itself finds are not known.
func (s *site) change(ctx context.Context, m mistake) (change, error) {
	if m.edit != nil {
		o := s.good.objects.clone()
		m.edit(&o)
		return change{objects: &o}, nil
	}
	v := s.good.values.with(m.values)
	o, err := s.render(ctx, badMark, v)
	switch {
	case err == nil:
		return change{values: v, objects: &o}, nil
	case unexpected(err) == "":
		return change{values: v}, nil
	}
	return change{}, err
}

// unexpected says what is odd about an error by which a change was refused: it must
// come from the guard, from the chart, or from the API server's own rules.
func unexpected(err error) string {
	for _, known := range []string{
		"denied the request",
		"values don't meet the specifications of the schema", "execution error at (istio-sidecar-injector/",
		"Too long: ", "limit is ",
	} {
		if strings.Contains(err.Error(), known) {
			return ""
		}
	}
	return "neither by the guard, nor by the chart, nor by the API server"
}

// up has the servers come back, if what was written has not done that.
func (s *site) up(ctx context.Context) error {
	if err := s.scale(ctx, replicas); err != nil {
		return err
	}
	return s.rolledOut(ctx)
}

// restarted has a server restart, or each in turn in the long form.
func (s *site) restarted(ctx context.Context, t *testing.T, m mistake) {
	n := 1
	if long() {
		n = replicas
	}
	s.sum.restarts += n
	survived, err := s.restart(ctx, n)
	s.sum.survived += survived
	if err != nil {
		t.Errorf("%s: a server was restarted: %v", m.name, err)
	}
}

// inVain waits until the servers have given up waiting for the other half of a pair,
// and finds that what is in force stays all the same.
func (s *site) inVain(ctx context.Context) error {
	err := s.all(ctx, judgedLimit, "the servers to wait in vain", func(r report) error {
		switch c := r.Configuration; {
		case c.Hash != s.good.hash:
			return errInForce
		case c.Error == "" || c.Waiting != "":
			return fmt.Errorf("it waits: %+v", c)
		}
		return nil
	})
	return errors.Join(err, s.keeps(ctx))
}

// recorded waits until the record holds what is in force. Servers write it a second
// after a change, so that one of them does it for all, and less often while somebody
// changes the configuration all the time, as this test does.
func (s *site) recorded(ctx context.Context) error {
	begin := time.Now()
	err := s.until(ctx, recordedLimit, func() error {
		record, err := s.lab.Client.CoreV1().ConfigMaps(namespace).Get(ctx, recordName, metav1.GetOptions{})
		if err == nil && record.Data["hash"] != s.good.hash {
			err = fmt.Errorf("recorded is %s, and in force is %s", record.Data["hash"], s.good.hash)
		}
		return err
	})
	s.sum.latest = max(s.sum.latest, time.Since(begin))
	return err
}

// told is nil when the servers and an Event say that the last good configuration is
// served in the place of another one.
func (s *site) told(ctx context.Context, since time.Time) error {
	servers, err := s.servers(ctx)
	if err != nil {
		return err
	}
	for i := range servers {
		for path, want := range map[string]string{"/metrics": "\nsidecar_injector_serves_last_good 1\n", "/readyz": "refused"} {
			_, body, err := s.lab.Request(ctx, &servers[i], monitoring, path)
			if err != nil {
				return err
			}
			if !strings.Contains(body, want) {
				return fmt.Errorf("%s: %s does not say %q", servers[i].Name, path, want)
			}
		}
	}
	return s.event(ctx, namespace, "", since)
}

// mend brings the good configuration back after something has gone wrong, so that
// what follows is tried all the same.
func (s *site) mend(ctx context.Context, t *testing.T) {
	t.Helper()
	for _, cm := range s.good.objects.both() {
		if err := s.edit(ctx, cm.name, cm.want); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.up(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.takes(ctx, s.good); err != nil {
		t.Fatal(err)
	}
}
