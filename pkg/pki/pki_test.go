package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	now   = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	hosts = ServiceHosts("injector", "istio-system", "")
)

func mustCA(t *testing.T, validity time.Duration, at time.Time) *Pair {
	t.Helper()
	ca, err := NewCA(CARequest{Subject: CASubject("istio-system", "certs"), Validity: validity}, at)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func mustLeaf(t *testing.T, ca *Pair, validity time.Duration, at time.Time) *Pair {
	t.Helper()
	leaf, err := IssueLeaf(ca, LeafRequest{CommonName: "injector", Hosts: hosts, Validity: validity}, at)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

func TestShape(t *testing.T) {
	ca := mustCA(t, 365*24*time.Hour, now)
	leaf := mustLeaf(t, ca, 30*24*time.Hour, now)

	for name, pair := range map[string]*Pair{"ca": ca, "leaf": leaf} {
		key, ok := pair.Cert.PublicKey.(*ecdsa.PublicKey)
		if !ok || key.Curve != elliptic.P256() {
			t.Errorf("%s: key is %T, want ECDSA P-256", name, pair.Cert.PublicKey)
		}
		if pair.Cert.SignatureAlgorithm != x509.ECDSAWithSHA256 {
			t.Errorf("%s: signature %v", name, pair.Cert.SignatureAlgorithm)
		}
		if !pair.Cert.NotBefore.Equal(now.Add(-Backdate)) {
			t.Errorf("%s: notBefore %v, want %v", name, pair.Cert.NotBefore, now.Add(-Backdate))
		}
	}
	if c := ca.Cert; !c.IsCA || c.MaxPathLen != 0 || !c.MaxPathLenZero || c.KeyUsage&x509.KeyUsageCertSign == 0 || len(c.ExtKeyUsage) != 0 {
		t.Errorf("CA: isCA %v, path length %d (zero %v), usage %v %v", c.IsCA, c.MaxPathLen, c.MaxPathLenZero, c.KeyUsage, c.ExtKeyUsage)
	}
	if !ca.Cert.NotAfter.Equal(now.Add(365 * 24 * time.Hour)) {
		t.Errorf("CA ends %v", ca.Cert.NotAfter)
	}
	if !CASubject("istio-system", "certs").Is(ca.Cert) || CASubject("other", "certs").Is(ca.Cert) {
		t.Errorf("CA subject %v is not told apart", ca.Cert.Subject)
	}
	if c := leaf.Cert; c.IsCA || c.KeyUsage != x509.KeyUsageDigitalSignature || len(c.ExtKeyUsage) != 1 || c.ExtKeyUsage[0] != x509.ExtKeyUsageServerAuth {
		t.Errorf("leaf: isCA %v, usage %v %v", c.IsCA, c.KeyUsage, c.ExtKeyUsage)
	}
	if got, want := strings.Join(leaf.Cert.DNSNames, " "), "injector injector.istio-system injector.istio-system.svc injector.istio-system.svc.cluster.local"; got != want {
		t.Errorf("leaf names %q, want %q", got, want)
	}
	if err := leaf.CheckServing(ServingCheck{Now: now, Hosts: hosts, Roots: []*x509.Certificate{ca.Cert}}); err != nil {
		t.Error(err)
	}
}

// The API server's own library must accept what is made: a real handshake.
func TestHandshake(t *testing.T) {
	at := time.Now()
	ca := mustCA(t, time.Minute, at)
	leaf := mustLeaf(t, ca, time.Minute, at)
	client, server := net.Pipe()
	srv := tls.Server(server, &tls.Config{Certificates: []tls.Certificate{*leaf.TLS()}, MinVersion: tls.VersionTLS12})
	cli := tls.Client(client, &tls.Config{RootCAs: pool([]*x509.Certificate{ca.Cert}), ServerName: hosts[2]})
	done := make(chan error, 1)
	go func() { done <- srv.Handshake() }()
	if err := cli.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestLeafStaysWithinItsCA(t *testing.T) {
	ca := mustCA(t, 10*time.Second, now)
	leaf := mustLeaf(t, ca, time.Hour, now.Add(4*time.Second))
	if !leaf.Cert.NotAfter.Equal(ca.Cert.NotAfter) {
		t.Errorf("leaf ends %v, its CA %v", leaf.Cert.NotAfter, ca.Cert.NotAfter)
	}
	early := mustLeaf(t, ca, time.Second, now.Add(-time.Second))
	if early.Cert.NotBefore.Before(ca.Cert.NotBefore) {
		t.Errorf("leaf starts %v, its CA %v", early.Cert.NotBefore, ca.Cert.NotBefore)
	}
	if _, err := IssueLeaf(ca, LeafRequest{CommonName: "x", Hosts: hosts, Validity: time.Second}, now.Add(11*time.Second)); KindOf(err) != Expired {
		t.Errorf("expired CA signed: %v", err)
	}
}

func TestRequestErrors(t *testing.T) {
	ca := mustCA(t, time.Hour, now)
	leaf := mustLeaf(t, ca, time.Hour, now)
	for name, call := range map[string]func() (*Pair, error){
		"make CA: no common name given": func() (*Pair, error) { return NewCA(CARequest{Validity: time.Hour}, now) },
		"make CA: validity 1ms is too short, at least 1s is needed": func() (*Pair, error) {
			return NewCA(CARequest{Subject: Subject{CommonName: "x"}, Validity: time.Millisecond}, now)
		},
		"issue serving certificate: no host given": func() (*Pair, error) {
			return IssueLeaf(ca, LeafRequest{CommonName: "x", Validity: time.Hour}, now)
		},
		"is not a CA": func() (*Pair, error) {
			return IssueLeaf(leaf, LeafRequest{CommonName: "x", Hosts: hosts, Validity: time.Hour}, now)
		},
	} {
		if _, err := call(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error %v, want %q", err, name)
		}
	}
}

func TestCheckServing(t *testing.T) {
	ca, other := mustCA(t, time.Hour, now), mustCA(t, time.Hour, now)
	leaf := mustLeaf(t, ca, 10*time.Second, now)
	roots := []*x509.Certificate{ca.Cert}
	tests := map[string]struct {
		pair  *Pair
		check ServingCheck
		want  Kind
	}{
		"good":                     {leaf, ServingCheck{Now: now, Hosts: hosts, Roots: roots}, ""},
		"last second":              {leaf, ServingCheck{Now: now.Add(10 * time.Second), Roots: roots}, ""},
		"first second":             {leaf, ServingCheck{Now: now.Add(-Backdate), Roots: roots}, ""},
		"one of several roots":     {leaf, ServingCheck{Now: now, Roots: []*x509.Certificate{other.Cert, ca.Cert}}, ""},
		"expired":                  {leaf, ServingCheck{Now: now.Add(11 * time.Second), Hosts: hosts, Roots: roots}, Expired},
		"from the future":          {leaf, ServingCheck{Now: now.Add(-Backdate - time.Second), Hosts: hosts, Roots: roots}, NotYetValid},
		"name missing":             {leaf, ServingCheck{Now: now, Hosts: []string{"injector-2.istio-system.svc"}, Roots: roots}, MissingName},
		"other CA, same name":      {leaf, ServingCheck{Now: now, Hosts: hosts, Roots: []*x509.Certificate{other.Cert}}, Untrusted},
		"no roots":                 {leaf, ServingCheck{Now: now, Hosts: hosts}, Untrusted},
		"CA used as a server cert": {ca, ServingCheck{Now: now, Roots: roots}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := tt.pair.CheckServing(tt.check)
			if KindOf(err) != tt.want || (err == nil) != (tt.want == "") {
				t.Errorf("got %v, want kind %q", err, tt.want)
			}
		})
	}
}

func TestParsePairErrors(t *testing.T) {
	ca := mustCA(t, time.Hour, now)
	a, b := mustLeaf(t, ca, time.Hour, now), mustLeaf(t, ca, time.Hour, now)
	brokenKey := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: []byte("c2VjcmV0LWJ5dGVz")})
	tests := map[string]struct {
		cert, key []byte
		kind      Kind
		text      string
	}{
		"key of another":    {a.CertPEM, b.KeyPEM, KeyMismatch, "does not belong to certificate \"injector\""},
		"no certificate":    {nil, a.KeyPEM, Malformed, "certificate: no PEM block in it"},
		"no key":            {a.CertPEM, nil, Malformed, "private key: no PEM block"},
		"swapped":           {a.KeyPEM, a.CertPEM, Malformed, `certificate: PEM block 1 is "EC PRIVATE KEY", want "CERTIFICATE"`},
		"certificate twice": {a.CertPEM, a.CertPEM, Malformed, `private key: PEM block is "CERTIFICATE"`},
		"broken key":        {a.CertPEM, brokenKey, Malformed, `private key: the "EC PRIVATE KEY" block cannot be read`},
		"cut certificate":   {a.CertPEM[:len(a.CertPEM)/2], a.KeyPEM, Malformed, "no PEM block"},
		"huge":              {make([]byte, maxPEM+1), a.KeyPEM, Malformed, "at most"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := ParsePair(tt.cert, tt.key)
			if KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.text) {
				t.Fatalf("got %v, want %s: %s", err, tt.kind, tt.text)
			}
			if strings.Contains(err.Error(), "c2VjcmV0") || strings.Contains(err.Error(), "secret-bytes") {
				t.Errorf("the error carries the key: %v", err)
			}
		})
	}
}

func TestParsePairWithChainAndKeyForms(t *testing.T) {
	ca := mustCA(t, time.Hour, now)
	leaf := mustLeaf(t, ca, time.Hour, now)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(leaf.Key)
	if err != nil {
		t.Fatal(err)
	}
	params := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6, 8, 42, 134, 72, 206, 61, 3, 1, 7}})
	for name, key := range map[string][]byte{
		"SEC 1": leaf.KeyPEM, "SEC 1 behind parameters": append(params, leaf.KeyPEM...),
		"PKCS#8": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
	} {
		pair, err := ParsePair(append(append([]byte{}, leaf.CertPEM...), ca.CertPEM...), key)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(pair.Chain) != 1 || len(pair.TLS().Certificate) != 2 {
			t.Errorf("%s: chain of %d, %d certificates served", name, len(pair.Chain), len(pair.TLS().Certificate))
		}
	}
}

func TestScanBundle(t *testing.T) {
	a, b := mustCA(t, time.Hour, now), mustCA(t, 2*time.Hour, now.Add(time.Second))
	leaf := mustLeaf(t, a, time.Hour, now)
	join := func(parts ...string) []byte { return []byte(strings.Join(parts, "")) }
	A, B := string(a.CertPEM), string(b.CertPEM)
	tests := map[string]struct {
		in      []byte
		count   int
		rubbish bool
	}{
		"empty":            {nil, 0, false},
		"white space":      {join("\n \n"), 0, false},
		"one":              {join(A), 1, false},
		"two, blank lines": {join(A, "\n\n", B, "\n"), 2, false},
		"text":             {join("Cg=="), 0, true},
		"text before":      {join("hello\n", A), 1, true},
		"text between":     {join(A, "hello\n", B), 2, true},
		"text behind":      {join(A, "hello"), 1, true},
		"key in it":        {join(A, string(leaf.KeyPEM)), 1, true},
		"a leaf in it":     {join(string(leaf.CertPEM), B), 1, true},
		"half a block":     {join(A, B[:100]), 1, true},
		"bad bytes":        {join("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", B), 1, true},
		"too big":          {make([]byte, maxPEM+1), 0, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cas, rubbish := ScanBundle(tt.in)
			if len(cas) != tt.count || rubbish != tt.rubbish {
				t.Errorf("got %d, rubbish %v; want %d, %v", len(cas), rubbish, tt.count, tt.rubbish)
			}
		})
	}
}

func TestUnion(t *testing.T) {
	old, young := mustCA(t, time.Hour, now).Cert, mustCA(t, 2*time.Hour, now.Add(time.Second)).Cert
	got := Union([]*x509.Certificate{old}, []*x509.Certificate{young, old})
	if len(got) != 2 || got[0] != young || got[1] != old {
		t.Fatalf("union of %d, newest first wanted", len(got))
	}
	back, rubbish := ScanBundle(EncodeBundle(got))
	if rubbish || len(back) != 2 || !back[0].Equal(young) {
		t.Errorf("encode and scan: %d, rubbish %v", len(back), rubbish)
	}
	if left := Unexpired(got, now.Add(90*time.Minute)); len(left) != 1 || left[0] != young {
		t.Errorf("%d unexpired, want the young one", len(left))
	}
}

func TestProblemIsFoundInATree(t *testing.T) {
	err := errors.Join(errors.New("other"), &Problem{Kind: Expired, Text: "x"})
	if KindOf(err) != Expired || KindOf(errors.New("plain")) != "" {
		t.Error("kind is not found in the tree")
	}
}

// cfssl's log level is a package variable: many issuers at once must not race
// for it (run with -race).
func TestConcurrentIssue(t *testing.T) {
	ca := mustCA(t, time.Hour, now)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := IssueLeaf(ca, LeafRequest{CommonName: "x", Hosts: hosts, Validity: time.Hour}, now); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func FuzzScanBundle(f *testing.F) {
	ca, err := NewCA(CARequest{Subject: Subject{CommonName: "x"}, Validity: time.Hour}, now)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(ca.CertPEM)
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		cas, _ := ScanBundle(in)
		again, rubbish := ScanBundle(EncodeBundle(cas))
		if rubbish || len(again) != len(cas) {
			t.Errorf("%d certificates written, %d read, rubbish %v", len(cas), len(again), rubbish)
		}
	})
}
