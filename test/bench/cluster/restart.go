package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	admission "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/lab"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/figures"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/process"
)

// The Service that the restarting replicas stand behind; its name is in their
// certificate.
const (
	serviceNamespace = "bench"
	serviceName      = "injector"
	restartWay       = "restart"
	portName         = "https"
	// drain is the replicas' --shutdownDelay: how long they go on serving after
	// they were told to end. By then the API server has heard of it.
	drain = 2 * time.Second
	// restartClients create pods all the while.
	restartClients = 4
)

// restarts creates pods through a Service of two replicas, one of which restarts
// again and again as pods do: its endpoint is taken out, it is told to end, a new
// one starts, and when that is ready it is put in.
func (p Plan) restarts(ctx context.Context, l *lab.Lab, c *creator, files *process.Files) (_ *figures.Creation, err error) {
	host, err := lab.HostAddress(ctx, p.Root, p.Name)
	if err != nil {
		return nil, err
	}
	if err := prepare(ctx, l, restartWay); err != nil {
		return nil, err
	}
	if err := service(ctx, l); err != nil {
		return nil, err
	}
	var replicas [2]*process.Server
	defer func() {
		for _, r := range replicas {
			if r != nil {
				err = errors.Join(err, r.Stop())
			}
		}
	}()
	for i := range replicas {
		if replicas[i], err = p.replica(ctx, l, files, host, i); err != nil {
			return nil, err
		}
	}
	path := "/inject"
	err = webhook(ctx, l, restartWay, admission.WebhookClientConfig{
		Service: &admission.ServiceReference{Namespace: serviceNamespace, Name: serviceName, Path: &path}, CABundle: files.CA,
	})
	if err != nil {
		return nil, err
	}
	if err := awaitRestartWay(ctx, c); err != nil {
		return nil, err
	}

	loadCtx, stop := context.WithCancel(ctx)
	defer stop()
	turns := make(chan []turn, 1)
	go func() {
		var all []turn
		for loadCtx.Err() == nil {
			// To its end even when told to stop: a request that was broken off says nothing.
			all = append(all, c.pods(ctx, restartWay, restartClients, restartClients*5))
		}
		turns <- all
	}()
	for n := range p.Restarts {
		fmt.Fprintf(p.Progress, "restart %d of %d ...\n", n+1, p.Restarts)
		i := n % len(replicas)
		old := replicas[i]
		replicas[i] = nil
		if err := endpoint(ctx, l, host, i, ""); err != nil {
			return nil, errors.Join(err, old.Stop())
		}
		if err := old.Stop(); err != nil {
			return nil, err
		}
		if replicas[i], err = p.replica(ctx, l, files, host, i); err != nil {
			return nil, err
		}
	}
	stop()
	all := <-turns
	s := summary(restartWay, restartClients, all, nil)
	for _, t := range all {
		if t.first != nil {
			fmt.Fprintf(p.Progress, "a pod was not created: %v\n", t.first)
			break
		}
	}
	return &s, nil
}

// replica starts one and puts it behind the Service.
func (p Plan) replica(ctx context.Context, l *lab.Lab, files *process.Files, host string, i int) (*process.Server, error) {
	s, err := process.Start(ctx, p.Program, files, "--shutdownDelay="+drain.String())
	if err != nil {
		return nil, err
	}
	if err := endpoint(ctx, l, host, i, s.Webhook); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func service(ctx context.Context, l *lab.Lab) error {
	if err := l.Namespace(ctx, serviceNamespace, nil); err != nil {
		return err
	}
	_, err := l.Client.CoreV1().Services(serviceNamespace).Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: serviceName},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: portName, Port: 443}}},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("service %s: %w", serviceName, err)
	}
	return nil
}

// endpoint puts the i-th replica, listening on the port, behind the Service, or
// takes it away when the port is empty. Each has a slice of its own, because its
// port is its own.
func endpoint(ctx context.Context, l *lab.Lab, host string, i int, port string) error {
	slices := l.Client.DiscoveryV1().EndpointSlices(serviceNamespace)
	name := fmt.Sprintf("%s-%d", serviceName, i)
	want := &discovery.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: name, Labels: map[string]string{discovery.LabelServiceName: serviceName}},
		AddressType: discovery.AddressTypeIPv4,
	}
	if port != "" {
		number, err := strconv.ParseInt(port, 10, 32)
		if err != nil {
			return err
		}
		want.Ports = []discovery.EndpointPort{{Name: new(portName), Port: new(int32(number)), Protocol: new(corev1.ProtocolTCP)}}
		want.Endpoints = []discovery.Endpoint{{Addresses: []string{host}, Conditions: discovery.EndpointConditions{Ready: new(true)}}}
	}
	if _, err := slices.Update(ctx, want, metav1.UpdateOptions{}); err == nil {
		return nil
	}
	if _, err := slices.Create(ctx, want, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("endpoints of replica %d: %w", i, err)
	}
	return nil
}

// awaitRestartWay waits until the API server calls the Service.
func awaitRestartWay(ctx context.Context, c *creator) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for good := 0; good < 5; {
		t := c.pods(ctx, restartWay, 1, 1)
		if good++; t.first != nil {
			good = 0
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the replicas behind the service are not called: %w", errors.Join(ctx.Err(), t.first))
		}
	}
	return nil
}
