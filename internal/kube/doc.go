// Package kube holds what every client of the API server here needs: clients of
// the few kinds that the programs work with ([NewClients]), a follower of one
// object or of all objects of a kind ([Follow], [FollowAll]), and errors with
// messages for people ([Error], [Classify]).
package kube
