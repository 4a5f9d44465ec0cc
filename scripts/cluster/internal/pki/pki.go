// Package pki makes the certificates and keys of a cluster: three authorities,
// so that a certificate for one purpose is worth nothing for another, and what
// they sign.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Names of the authorities.
const (
	Cluster    = "ca"
	Etcd       = "etcd-ca"
	FrontProxy = "front-proxy-ca"
)

// A Leaf is one certificate to make; its files are Name.crt and Name.key.
type Leaf struct {
	Authority    string
	Name         string
	CommonName   string
	Organization []string
	DNSNames     []string
	Addresses    []net.IP
	Usages       []x509.ExtKeyUsage
}

// lifetime is far more than a cluster for a demo or a test lives.
const lifetime = 365 * 24 * time.Hour

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Create writes the authorities, the leaves and the key pair that signs
// service account tokens (sa.key, sa.pub) into dir.
func Create(dir string, leaves []Leaf, now time.Time) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	authorities := map[string]authority{}
	for _, name := range []string{Cluster, Etcd, FrontProxy} {
		a, err := newAuthority(dir, name, now)
		if err != nil {
			return fmt.Errorf("cannot make authority %q: %w", name, err)
		}
		authorities[name] = a
	}
	for _, leaf := range leaves {
		a, ok := authorities[leaf.Authority]
		if !ok {
			return fmt.Errorf("certificate %q: unknown authority %q", leaf.Name, leaf.Authority)
		}
		if err := a.sign(dir, leaf, now); err != nil {
			return fmt.Errorf("cannot make certificate %q: %w", leaf.Name, err)
		}
	}
	return serviceAccountKeys(dir)
}

func newAuthority(dir, name string, now time.Time) (authority, error) {
	key, err := newKey(dir, name)
	if err != nil {
		return authority{}, err
	}
	template, err := certificate(name, nil, now)
	if err != nil {
		return authority{}, err
	}
	template.IsCA = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return authority{}, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return authority{}, err
	}
	return authority{cert, key}, write(dir, name+".crt", "CERTIFICATE", der, 0o644)
}

func (a authority) sign(dir string, leaf Leaf, now time.Time) error {
	key, err := newKey(dir, leaf.Name)
	if err != nil {
		return err
	}
	template, err := certificate(leaf.CommonName, leaf.Organization, now)
	if err != nil {
		return err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = leaf.Usages
	template.DNSNames = leaf.DNSNames
	template.IPAddresses = leaf.Addresses
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return err
	}
	return write(dir, leaf.Name+".crt", "CERTIFICATE", der, 0o644)
}

func certificate(commonName string, organization []string, now time.Time) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: commonName, Organization: organization},
		NotBefore:             now.Add(-time.Hour), // the clock may be set back a little
		NotAfter:              now.Add(lifetime),
		BasicConstraintsValid: true,
	}, nil
}

func newKey(dir, name string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, write(dir, name+".key", "PRIVATE KEY", der, 0o600)
}

func serviceAccountKeys(dir string) error {
	key, err := newKey(dir, "sa")
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	return write(dir, "sa.pub", "PUBLIC KEY", der, 0o644)
}

func write(dir, file, kind string, der []byte, mode os.FileMode) error {
	return os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}
