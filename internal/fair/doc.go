// Package fair divides what is scarce among peers, such that one that takes much
// cannot keep the others from what they need, and one that is alone may use all.
//
// A [Pool] is for what is held: connections, bytes, places. It refuses nobody
// while there is some left. When there is none, a peer that holds less than
// another gets what the greediest one held the longest.
//
// A [Gate] is for what is waited for: turns of work, each of a cost. Peers take
// turns, whatever the number of requests that each of them has waiting.
package fair
