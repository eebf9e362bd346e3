package dist

import (
	"math/bits"
	"runtime"
)

// Place is where a rank runs.
type Place struct {
	Turn    int // among the ranks of its node, in their order
	Ranks   int // on its node
	Threads int // processor cores for this rank, so that all on the node have theirs
}

// Where asks all ranks where they run. Ranks of the same host name share a node.
func Where(c Comm) (Place, error) {
	cores := runtime.NumCPU() // those that this process may use
	if c.Size() == 1 {
		return Place{Ranks: 1, Threads: cores}, nil
	}
	hosts, err := Texts(c, Hostname())
	if err != nil {
		return Place{}, err
	}
	masks, err := gatherEqual(c, affinity())
	if err != nil {
		return Place{}, err
	}
	return placeOf(c.Rank(), cores, hosts, masks), nil
}

// placeOf finds a rank's place, given the hosts of all ranks and the cores that
// each may use, a bit each. Launchers may bind ranks to cores of their own; where
// they do not, the ranks of a node divide its cores.
func placeOf(rank, cores int, hosts []string, masks [][]byte) Place {
	p := Place{Threads: cores}
	all, sum := make([]byte, len(masks[rank])), 0
	for k, host := range hosts {
		if host != hosts[rank] {
			continue
		}
		if k < rank {
			p.Turn++
		}
		p.Ranks++
		sum += ones(masks[k])
		for i, b := range masks[k] {
			all[i] |= b
		}
	}
	if have := ones(all); sum > have { // they share cores
		p.Threads = max(1, min(cores, have/p.Ranks))
	}
	return p
}

func ones(mask []byte) int {
	n := 0
	for _, b := range mask {
		n += bits.OnesCount8(b)
	}
	return n
}
