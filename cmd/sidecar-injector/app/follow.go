package app

// followCluster follows what the engine asks about the cluster.
func (s *service) followCluster() {
	if s.o.nativeSidecars == "auto" {
		s.follow(s.cluster.followNodes(s.api.Nodes(), s.trouble))
	}
	s.follow(s.cluster.followNamespaces(s.api.Namespaces(), s.trouble))
}

// followConfigMaps follows the ConfigMaps that the flags name, in favour of
// source.
func (s *service) followConfigMaps(source *configSource) {
	if s.o.injectConfigMap != "" {
		s.injectMap = newLiveMap(s.api, s.o.injectConfigMap, []string{keyInject, keyValues}, s.trouble, s.configuration.Poke)
		source.injectMap = s.injectMap
		s.follow(s.injectMap.follower)
	}
	if s.o.meshConfigMap != "" {
		s.meshMap = newLiveMap(s.api, s.o.meshConfigMap, []string{keyMesh}, s.trouble, s.configuration.Poke)
		source.meshMap = s.meshMap
		s.follow(s.meshMap.follower)
	}
}

func (s *service) follow(f *follower) {
	s.followers = append(s.followers, f)
	s.parts.start(f.what, f.Run)
}
