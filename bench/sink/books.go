package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// A mode is how a destination behaves.
type mode int

const (
	ok    mode = iota // answers 200
	flaky             // answers 503 to the first attempt of every fifth event
	mute              // never answers
)

var modes = map[string]mode{"ok": ok, "flaky": flaky, "mute": mute}

var (
	answer200 = []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"ok\":true}")
	answer503 = []byte("HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{\"busy\":true}")
	answer404 = []byte("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
	answer411 = []byte("HTTP/1.1 411 Length Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	endOfHead = []byte("\r\n\r\n")
	idField   = []byte(`"messageId"`)
	sentField = []byte(`"sentAtNs"`)
)

// What one destination was sent.
type books struct {
	destinations map[string]*destination
}

type destination struct {
	Posts    int `json:"posts"`    // requests, however they were answered
	Events   int `json:"events"`   // taken: in requests that were answered 200
	Distinct int `json:"distinct"` // of these, different ones
	Refused  int `json:"refused"`  // answered 503

	mode      mode
	taken     map[uint64]struct{}
	failed    map[uint64]struct{}
	latencies histogram
}

func newBooks() books { return books{destinations: map[string]*destination{}} }

func (b *books) of(name []byte) *destination {
	found := b.destinations[string(name)]
	if found == nil {
		found = &destination{taken: map[uint64]struct{}{}, failed: map[uint64]struct{}{}}
		b.destinations[string(name)] = found
	}
	return found
}

// take reads one request from the front; how many bytes it had (0: not all there yet) and the answer (nil: none).
func (b *books) take(data []byte) (int, []byte) {
	head := bytes.Index(data, endOfHead)
	if head < 0 {
		return 0, nil
	}
	length, known := contentLength(data[:head])
	end := head + len(endOfHead) + length
	if len(data) < end {
		return 0, nil
	}
	post := data[0] == 'P'
	if post && !known {
		return len(data), answer411
	}
	path := pathOf(data[:head])
	body := data[head+len(endOfHead) : end]
	switch {
	case post && bytes.HasPrefix(path, []byte("/-/")):
		return end, b.control(path[len("/-/"):])
	case post && len(path) > 1:
		return end, b.of(path[1:]).post(body)
	default:
		return end, b.report(string(path))
	}
}

func (d *destination) post(body []byte) []byte {
	d.Posts++
	if d.mode == mute {
		return nil
	}
	rest := body
	for {
		at := bytes.Index(rest, idField)
		if at < 0 {
			return answer200
		}
		rest = rest[at+len(idField):]
		id := hash(text(rest))
		if d.mode == flaky && id%5 == 0 {
			if _, before := d.failed[id]; !before {
				d.failed[id] = struct{}{}
				d.Refused++
				return answer503
			}
		}
		d.Events++
		if _, before := d.taken[id]; !before {
			d.taken[id] = struct{}{}
			d.Distinct++
			d.time(rest)
		}
	}
}

// time notes how long an event was on its way, if it says when it left; a repeated one counts once.
func (d *destination) time(rest []byte) {
	at := bytes.Index(rest, sentField)
	if at < 0 {
		return
	}
	if sent := number(text(rest[at+len(sentField):])); sent > 0 {
		d.latencies.add((time.Now().UnixNano() - sent) / 1000)
	}
}

func (b *books) control(path []byte) []byte {
	if string(path) == "reset" {
		*b = newBooks()
		return answer200
	}
	name, word, _ := bytes.Cut(path, []byte("/"))
	if string(name) == "latencies" {
		for _, d := range b.destinations {
			d.latencies = histogram{}
		}
		return answer200
	}
	wanted, there := modes[string(word)]
	if !there {
		return answer404
	}
	b.of(name).mode = wanted
	return answer200
}

func (b *books) report(path string) []byte {
	switch path {
	case "/total":
		var sum destination
		for _, d := range b.destinations {
			sum.Posts += d.Posts
			sum.Events += d.Events
			sum.Distinct += d.Distinct
			sum.Refused += d.Refused
		}
		return document(sum)
	case "/counts":
		return document(b.destinations)
	case "/latencies":
		found := map[string]quantiles{}
		for name, d := range b.destinations {
			found[name] = d.latencies.quantiles()
		}
		return document(found)
	}
	return answer404
}

func document(value any) []byte {
	body, _ := json.Marshal(value)
	return []byte(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
}

// -- reading -------------------------------------------------------------------------------------

func pathOf(head []byte) []byte {
	_, after, _ := bytes.Cut(head, []byte(" "))
	path, _, _ := bytes.Cut(after, []byte(" "))
	return path
}

// contentLength of a request's head, and whether it has one. Names of headers have no case.
func contentLength(head []byte) (int, bool) {
	const name = "content-length:"
	for {
		at := bytes.IndexByte(head, '\n')
		if at < 0 {
			return 0, false
		}
		head = head[at+1:]
		if len(head) > len(name) && head[0]|0x20 == 'c' && bytes.EqualFold(head[:len(name)], []byte(name)) {
			line, _, _ := bytes.Cut(head[len(name):], []byte("\r"))
			length, err := strconv.Atoi(string(bytes.TrimSpace(line)))
			return length, err == nil
		}
	}
}

// text of the JSON string that follows a name: `: "text"`.
func text(after []byte) []byte {
	open := bytes.IndexByte(after, '"')
	if open < 0 {
		return nil
	}
	end := bytes.IndexByte(after[open+1:], '"')
	if end < 0 {
		return nil
	}
	return after[open+1 : open+1+end]
}

func number(digits []byte) int64 {
	var value int64
	for _, digit := range digits {
		value = value*10 + int64(digit-'0')
	}
	return value
}

// hash is FNV-1a, finished so that all bits of a counter matter in the lowest ones.
func hash(id []byte) uint64 {
	value := uint64(14695981039346656037)
	for _, b := range id {
		value = (value ^ uint64(b)) * 1099511628211
	}
	value ^= value >> 33
	value *= 0xff51afd7ed558ccd
	return value ^ value>>33
}
