package main

import "math/bits"

// A histogram with 64 steps for each doubling: a value is off by less than 1.6 %.
const steps = 64

type histogram struct {
	counts  [40 * steps]int64
	total   int64
	largest int64
}

type quantiles struct {
	Count int64 `json:"count"`
	P50   int64 `json:"p50"`
	P90   int64 `json:"p90"`
	P99   int64 `json:"p99"`
	P999  int64 `json:"p999"`
	Max   int64 `json:"max"`
}

func (h *histogram) add(us int64) {
	us = max(us, 0)
	h.counts[step(us)]++
	h.total++
	h.largest = max(h.largest, us)
}

// step of a value: itself below `steps`, then `steps` of them up to each doubling.
func step(us int64) int {
	if us < steps {
		return int(us)
	}
	shift := bits.Len64(uint64(us)) - 7
	return min(shift*steps+int(us>>shift), 40*steps-1)
}

// value is the largest that falls into a step.
func value(at int) int64 {
	if at < 2*steps {
		return int64(at)
	}
	shift := at/steps - 1
	return int64(at-shift*steps+1)<<shift - 1
}

func (h *histogram) quantiles() quantiles {
	return quantiles{h.total, h.at(0.5), h.at(0.9), h.at(0.99), h.at(0.999), h.largest}
}

func (h *histogram) at(share float64) int64 {
	wanted, seen := int64(float64(h.total)*share+0.5), int64(0)
	for at, count := range h.counts {
		seen += count
		if count > 0 && seen >= wanted {
			return min(value(at), h.largest)
		}
	}
	return 0
}
