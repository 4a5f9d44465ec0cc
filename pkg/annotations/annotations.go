package annotations

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/quantity"
)

// The annotations that other packages read, too.
const (
	// InterceptionMode sets how the pod's traffic is redirected.
	InterceptionMode = "sidecar.istio.io/interceptionMode"
	// StatusPort is the port of the agent's status server; 0 switches it off.
	StatusPort = "status.sidecar.istio.io/port"
	// MergeMetrics switches the merging of metrics.
	MergeMetrics = "prometheus.istio.io/merge-metrics"
)

// check returns an error for a value that is not allowed; the error names what is.
type check func(value string) error

// checkFor returns the check for an annotation, or nil where there is none.
func checkFor(name string) check {
	switch name {
	case InterceptionMode:
		return interceptionMode
	case StatusPort:
		return statusPort
	case "readiness.status.sidecar.istio.io/initialDelaySeconds",
		"readiness.status.sidecar.istio.io/periodSeconds",
		"readiness.status.sidecar.istio.io/failureThreshold":
		return wholeNumber
	case "traffic.sidecar.istio.io/includeOutboundIPRanges":
		return named("includeIPRanges", orAll(ranges))
	case "traffic.sidecar.istio.io/excludeOutboundIPRanges":
		return named("excludeIPRanges", ranges)
	case "traffic.sidecar.istio.io/includeInboundPorts":
		return orAll(portList)
	case "traffic.sidecar.istio.io/excludeInboundPorts",
		"traffic.sidecar.istio.io/includeOutboundPorts",
		"traffic.sidecar.istio.io/excludeOutboundPorts":
		return portList
	case "traffic.sidecar.istio.io/excludeInterfaces",
		"traffic.sidecar.istio.io/kubevirtInterfaces",
		"istio.io/reroute-virtual-interfaces":
		return interfaces
	case MergeMetrics:
		return boolean
	case "sidecar.istio.io/proxyCPU", "sidecar.istio.io/proxyMemory",
		"sidecar.istio.io/proxyCPULimit", "sidecar.istio.io/proxyMemoryLimit":
		return resourceQuantity
	}
	return nil
}

// Checked reports whether the values of an annotation are checked, because the
// injection depends on them.
func Checked(name string) bool { return checkFor(name) != nil }

// Check returns an error that lists every annotation with a value that is not
// allowed, in the order of their names: annotation, value, what is allowed.
func Check(annotations map[string]string) error {
	var bad []string
	for name, value := range annotations {
		if check := checkFor(name); check != nil && check(value) != nil {
			bad = append(bad, name)
		}
	}
	slices.Sort(bad)
	var errs []error
	for _, name := range bad {
		value := annotations[name]
		errs = append(errs, fmt.Errorf("annotation %s: invalid value %s: %w", name, cut.Quote(value, 80), checkFor(name)(value)))
	}
	return errors.Join(errs...)
}

func interceptionMode(s string) error {
	switch s {
	case "REDIRECT", "TPROXY", "NONE":
		return nil
	}
	return errors.New("must be REDIRECT, TPROXY or NONE")
}

func statusPort(s string) error {
	if _, err := strconv.ParseUint(strings.TrimSpace(s), 10, 16); err != nil {
		return errors.New("must be a port from 0 to 65535")
	}
	return nil
}

func wholeNumber(s string) error {
	if _, err := strconv.ParseUint(s, 10, 32); err != nil {
		return errors.New("must be a whole number from 0 to 4294967295")
	}
	return nil
}

func boolean(s string) error {
	if _, err := strconv.ParseBool(s); err != nil {
		return errors.New("must be true or false")
	}
	return nil
}

// named puts into an error the name that the data plane has for the value,
// because that is what people search for.
func named(name string, c check) check {
	return func(s string) error {
		if err := c(s); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
}

// orAll allows * besides what c allows.
func orAll(c check) check {
	return func(s string) error {
		if s == "*" {
			return nil
		}
		if err := c(s); err != nil {
			return fmt.Errorf("%w, or *", err)
		}
		return nil
	}
}

func ranges(s string) error {
	if s == "" {
		return nil
	}
	for _, item := range strings.Split(s, ",") {
		if _, err := netip.ParsePrefix(item); err != nil {
			return fmt.Errorf("%s is not an IP range, must be a comma separated list such as 10.0.0.0/8,192.168.1.0/24", cut.Quote(item, 40))
		}
	}
	return nil
}

func portList(s string) error {
	if strings.TrimSpace(s) == "" {
		return nil
	}
	for _, item := range strings.Split(s, ",") {
		if _, err := strconv.ParseUint(strings.TrimSpace(item), 10, 16); err != nil {
			return fmt.Errorf("%s is not a port, must be a comma separated list of numbers from 0 to 65535", cut.Quote(item, 40))
		}
	}
	return nil
}

// interfaces follows the kernel: at most 15 characters, no blanks or slashes.
// A trailing + stands for any ending in iptables.
func interfaces(s string) error {
	if strings.TrimSpace(s) == "" {
		return nil
	}
	for _, item := range strings.Split(s, ",") {
		name := strings.TrimSpace(item)
		bad := strings.IndexFunc(name, func(r rune) bool {
			return !letter(r) && !strings.ContainsRune("_.:@-+*", r)
		})
		if name == "" || len(name) > 16 || bad >= 0 {
			return fmt.Errorf("%s is not a network interface, must be a comma separated list of names", cut.Quote(item, 40))
		}
	}
	return nil
}

func resourceQuantity(s string) error {
	if strings.IndexFunc(s, unicode.IsControl) >= 0 {
		return errors.New("must not hold control characters")
	}
	q, err := quantity.Parse(s)
	if quantity.IsLimit(err) {
		return err
	}
	if err != nil || q.Sign() < 0 {
		return errors.New("must be a quantity such as 100m or 128Mi")
	}
	return nil
}

// letter reports whether a character is an ASCII letter or digit.
func letter(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}
