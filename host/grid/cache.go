package grid

import (
	"slices"
	"sync"
)

// Cache keeps the schedules of the batches used last, with every table, window
// and sum made from them, so that training on batches whose sizes repeat builds
// nothing. It is safe for use by several goroutines.
type Cache struct {
	limit int

	mu    sync.Mutex
	items []*Schedule // the one used last comes first
}

// NewCache makes an empty cache of at most limit schedules; a limit below 1
// counts as 1.
func NewCache(limit int) *Cache { return &Cache{limit: max(limit, 1)} }

// Get gives the schedule of a list of shapes: the one made before for an equal
// list, or a new one in place of the one whose use is longest ago. The list is
// compared in its order and copied where it is kept. Finding it allocates
// nothing. Errors are those of [New]; they change nothing.
func (c *Cache) Get(samples []Shape) (*Schedule, error) {
	s, err := c.find(samples)
	if err == nil { // not under the lock: others are made side by side
		s.ordered.Do(s.order)
	}
	return s, err
}

// find gives the schedule of a list of shapes, perhaps without its tables.
func (c *Cache) find(samples []Shape) (*Schedule, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// A linear search: lists of other sizes differ at their first sample, and
	// a build costs far more than all comparisons.
	at := slices.IndexFunc(c.items, func(s *Schedule) bool {
		return slices.EqualFunc(s.Shapes, samples, Shape.Equal)
	})
	if at < 0 {
		s, err := sized(samples)
		if err != nil {
			return nil, err
		}
		if len(c.items) < c.limit {
			c.items = append(c.items, nil)
		}
		at = len(c.items) - 1
		c.items[at] = s
	}
	found := c.items[at]
	copy(c.items[1:at+1], c.items[:at])
	c.items[0] = found
	return found, nil
}
