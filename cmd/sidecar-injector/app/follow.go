package app

import (
	"fmt"

	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
)

// followCluster follows what the engine asks about the cluster.
func (s *service) followCluster() error {
	client, err := s.coreClient()
	if err != nil {
		return err
	}
	if s.o.nativeSidecars == "auto" {
		s.follow(s.cluster.followNodes(client.Nodes(), s.trouble))
	}
	s.follow(s.cluster.followNamespaces(client.Namespaces(), s.trouble))
	return nil
}

// followConfigMaps follows the ConfigMaps that the flags name, in favour of
// source.
func (s *service) followConfigMaps(source *configSource) error {
	if s.o.injectConfigMap == "" && s.o.meshConfigMap == "" {
		return nil
	}
	client, err := s.coreClient()
	if err != nil {
		return err
	}
	if s.o.injectConfigMap != "" {
		s.injectMap = newLiveMap(client, s.o.injectConfigMap, []string{keyInject, keyValues}, s.trouble, s.configuration.Poke)
		source.injectMap = s.injectMap
		s.follow(s.injectMap.follower)
	}
	if s.o.meshConfigMap != "" {
		s.meshMap = newLiveMap(client, s.o.meshConfigMap, []string{keyMesh}, s.trouble, s.configuration.Poke)
		source.meshMap = s.meshMap
		s.follow(s.meshMap.follower)
	}
	return nil
}

func (s *service) follow(f *follower) {
	s.followers = append(s.followers, f)
	s.parts.start(f.what, f.Run)
}

func (s *service) coreClient() (*corev1client.CoreV1Client, error) {
	client, err := corev1client.NewForConfig(s.api)
	if err != nil {
		return nil, fmt.Errorf("API server: %w", err)
	}
	return client, nil
}
