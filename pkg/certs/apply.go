package certs

import (
	"crypto/x509"
	"fmt"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

// Apply returns the state after an action that Decide asked for on the same
// input. New keys are random; all else follows from the arguments. The input's
// states are not changed.
func Apply(action Action, in Input, p Policy) (State, error) {
	s := in.Secret
	var err error
	switch action {
	case Bootstrap:
		return bootstrap(in, p)
	case Refill:
		return refill(in, p), nil
	case RenewLeaf:
		s.Leaf, err = issue(s.CA, in, p)
		// A bundle that lost the CA is mended along the way.
		s.Roots = pki.Union([]*x509.Certificate{s.CA.Cert}, pki.Unexpired(s.Roots, in.Now))
	case AnnounceCA:
		s.Next, err = pki.NewCA(pki.CARequest{Subject: p.CA, Validity: p.CAValidity}, in.Now)
		s.NextErr = nil
	case SwitchCA:
		return switchCA(in, p)
	case PruneCA:
		s.Roots = keptRoots(in, p)
		if len(s.Roots) <= 1 {
			s.OldUntil = time.Time{}
		}
	default:
		return State{}, fmt.Errorf("action %q writes nothing", action)
	}
	return s, err
}

func bootstrap(in Input, p Policy) (State, error) {
	ca, err := pki.NewCA(pki.CARequest{Subject: p.CA, Validity: p.CAValidity}, in.Now)
	if err != nil {
		return State{}, err
	}
	leaf, err := issue(ca, in, p)
	if err != nil {
		return State{}, err
	}
	s := State{CA: ca, Leaf: leaf, UnknownKeys: in.Secret.UnknownKeys}
	// Whoever still serves a leaf of an earlier CA must stay trusted until its
	// leaf has ended. It was signed before now, so it ends within a validity.
	earlier := pki.Unexpired(pki.Union(in.Secret.Roots, ownLive(in, p)), in.Now)
	s.Roots = pki.Union([]*x509.Certificate{ca.Cert}, earlier)
	if len(earlier) > 0 {
		s.OldUntil = in.Now.Add(p.CertValidity)
	}
	return s, nil
}

// refill takes everything from memory, and keeps CAs that are trusted now.
func refill(in Input, p Policy) State {
	s := *in.Memory
	s.UnknownKeys = in.Secret.UnknownKeys
	s.Roots = pki.Unexpired(pki.Union(s.Roots, in.Secret.Roots), in.Now)
	return s
}

func switchCA(in Input, p Policy) (State, error) {
	s := in.Secret
	ca := s.Next
	leaf, err := issue(ca, in, p)
	if err != nil {
		return State{}, err
	}
	until := in.Now.Add(p.CertValidity)
	if s.Leaf != nil && s.Leaf.Cert.NotAfter.After(in.Now) {
		until = s.Leaf.Cert.NotAfter
	}
	if s.OldUntil.After(until) {
		until = s.OldUntil // an even earlier CA is still being retired
	}
	roots := pki.Union([]*x509.Certificate{ca.Cert}, pki.Unexpired(s.Roots, in.Now))
	return State{CA: ca, Leaf: leaf, Roots: roots, OldUntil: until, UnknownKeys: s.UnknownKeys}, nil
}

func issue(ca *pki.Pair, in Input, p Policy) (*pki.Pair, error) {
	return pki.IssueLeaf(ca, pki.LeafRequest{CommonName: p.CommonName, Hosts: p.Hosts, Validity: p.CertValidity}, in.Now)
}
