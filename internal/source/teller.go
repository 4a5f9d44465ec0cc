package source

import (
	"cmp"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/lastgood"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/trouble"
)

// The names of the troubles, in logs and metrics.
const (
	refusedTrouble   = "configuration refused"
	toleratedTrouble = "configuration of another version"
	unusableTrouble  = "recorded configuration"
)

// Reasons of Events.
const (
	reasonRefused   = "ConfigurationRefused"
	reasonNone      = "NoConfiguration"
	reasonTolerated = "ConfigurationOfAnotherVersion"
	reasonInForce   = "ConfigurationInForce"
)

// maxEventReason is how much of a reason is in an Event, in bytes: its message has room
// for a thousand, of which some say what to do.
const maxEventReason = 600

// teller says how what is in force relates to the newest configuration: in the log, as
// troubles, and by Events.
type teller struct {
	trouble   *trouble.Log
	about     *configMapSource    // nil: not followed
	announcer *lastgood.Announcer // nil: there is nobody to tell
}

// tell says what holds now, and by an Event what has changed.
func (t *teller) tell(before, now *standing) {
	if now.generations != nil {
		t.trouble.Report(generationsTrouble, now.generations.Error()+"; "+t.meanwhile(now))
	} else {
		t.trouble.Clear(generationsTrouble)
	}
	if now.refusal != nil && now.generations == nil {
		t.trouble.Report(refusedTrouble, t.refused(now, now.refusal.Reason))
	} else {
		t.trouble.Clear(refusedTrouble)
	}
	if now.newest && now.tolerated != nil {
		t.trouble.Report(toleratedTrouble, t.tolerated(now, now.tolerated.Error()))
	} else {
		t.trouble.Clear(toleratedTrouble)
	}
	if now.unusable != nil {
		t.trouble.Report(unusableTrouble, now.unusable.Error())
	} else {
		t.trouble.Clear(unusableTrouble)
	}
	t.announce(before, now)
}

// meanwhile says what is in force while the cluster holds two generations.
func (t *teller) meanwhile(now *standing) string {
	switch {
	case now.mixed && now.newest:
		return "both are taken as they are, because there is nothing else"
	case now.newest:
		return "what they say is in force, and no change of it comes into force"
	case now.inForce == nil:
		return "nothing is in force"
	}
	return "what is in force stays: " + of(now)
}

func of(now *standing) string {
	return fmt.Sprintf("the last good configuration, of %s, hash %.12s", now.inForce.Since.UTC().Format(time.RFC3339), now.inForce.Hash)
}

func (t *teller) refused(now *standing, reason string) string {
	if now.inForce == nil {
		return "there is no good configuration, so pods are refused or not injected: " + reason + "; " + t.whatToDo()
	}
	return "serving " + of(now) + ", because the current one is refused: " + reason + "; " + t.whatToDo()
}

func (t *teller) tolerated(now *standing, reason string) string {
	return fmt.Sprintf("the configuration is in force because version %s accepted it, at %s, but this version refuses it: %s; %s",
		now.inForce.Version, now.inForce.Since.UTC().Format(time.RFC3339), reason, t.whatToDo())
}

func (t *teller) whatToDo() string {
	if t.about == nil {
		return "mend it, or put the one before back; that is in force without a restart"
	}
	return fmt.Sprintf("mend it with helm upgrade or kubectl -n %s edit configmap %s, or take it back with helm rollback; that is in force without a restart", t.about.name.Namespace, t.about.name.Name)
}

// announce writes one Event when a configuration is refused, and one when that is over.
func (t *teller) announce(before, now *standing) {
	if t.announcer == nil {
		return
	}
	old, e := t.event(before), t.event(now)
	switch {
	case e.Reason == old.Reason && e.Subject == old.Subject:
		return
	case e.Reason == "":
		e = lastgood.Event{
			Type: corev1.EventTypeNormal, Reason: reasonInForce, Subject: now.inForce.Hash,
			Message: fmt.Sprintf("the configuration is in force, hash %.12s", now.inForce.Hash),
		}
	}
	e.About = t.about.reference()
	t.announcer.Say(e)
}

// event is what there is to tell; without a reason: nothing.
func (t *teller) event(now *standing) lastgood.Event {
	e := lastgood.Event{Type: corev1.EventTypeWarning}
	short := func(reason string) string { return cut.Line(reason, maxEventReason) }
	switch {
	case now.refusal != nil:
		e.Reason, e.Subject, e.Message = reasonRefused, cmp.Or(now.refusal.Digest, now.refusal.Reason), t.refused(now, short(now.refusal.Reason))
		if now.inForce == nil {
			e.Reason = reasonNone
		}
	case now.newest && now.tolerated != nil:
		e.Reason, e.Subject, e.Message = reasonTolerated, now.inForce.Hash, t.tolerated(now, short(now.tolerated.Error()))
	}
	return e
}
