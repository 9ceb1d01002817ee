package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func request(path, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: sink\r\ncontent-length: %d\r\n\r\n%s", path, len(body), body)
}

func event(number int) string {
	return fmt.Sprintf(`{"type":"track","messageId": "e%d","properties":{"sentAtNs":"%d"}}`, number, time.Now().UnixNano())
}

// send gives the status of the answer, "" when there is none.
func send(b *books, path, body string) string {
	_, answer := b.take([]byte(request(path, body)))
	if answer == nil {
		return ""
	}
	return strings.Fields(string(answer))[1]
}

func TestARequestIsTakenWhenAllOfItIsThereAndNotBefore(t *testing.T) {
	b, whole := newBooks(), request("/d0", event(1))
	for length := 0; length < len(whole); length++ {
		if used, answer := b.take([]byte(whole[:length])); used != 0 || answer != nil {
			t.Fatalf("%d bytes of %d were taken for a request", length, len(whole))
		}
	}
	if used, _ := b.take([]byte(whole + whole)); used != len(whole) {
		t.Fatalf("%d bytes of two requests, not %d", used, len(whole))
	}
	if d := b.of([]byte("d0")); d.Posts != 1 || d.Events != 1 {
		t.Fatalf("%+v", d)
	}
}

func TestAnEventThatComesAgainIsCountedButNotAsAnotherOne(t *testing.T) {
	b := newBooks()
	for _, number := range []int{1, 2, 1} {
		send(&b, "/d0", event(number))
	}
	send(&b, "/d1", event(1))
	if d := b.of([]byte("d0")); d.Events != 3 || d.Distinct != 2 || d.latencies.total != 2 {
		t.Fatalf("%+v", d)
	}
}

func TestEveryEventOfABatchIsCounted(t *testing.T) {
	b := newBooks()
	send(&b, "/d0", "["+event(1)+","+event(2)+","+event(3)+"]")
	if d := b.of([]byte("d0")); d.Posts != 1 || d.Distinct != 3 {
		t.Fatalf("%+v", d)
	}
}

func TestAFlakyDestinationRefusesAFifthOfTheEventsOnce(t *testing.T) {
	b := newBooks()
	send(&b, "/-/d0/flaky", "")
	refused := 0
	for number := 0; number < 10_000; number++ {
		if send(&b, "/d0", event(number)) == "503" {
			refused++
			if again := send(&b, "/d0", event(number)); again != "200" {
				t.Fatalf("%s at the second attempt", again)
			}
		}
	}
	if refused < 1_900 || refused > 2_100 || b.of([]byte("d0")).Distinct != 10_000 {
		t.Fatalf("%d refused of 10,000", refused)
	}
}

func TestAMuteDestinationDoesNotAnswer(t *testing.T) {
	b := newBooks()
	send(&b, "/-/d0/mute", "")
	if answer := send(&b, "/d0", event(1)); answer != "" || b.of([]byte("d0")).Events != 0 {
		t.Fatal(answer)
	}
}

func TestABodyOfUnknownLengthIsRefused(t *testing.T) {
	b := newBooks()
	_, answer := b.take([]byte("POST /d0 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))
	if !strings.Contains(string(answer), " 411 ") {
		t.Fatal(string(answer))
	}
}

func TestAQuantileIsOffByLessThanTwoPercent(t *testing.T) {
	for _, us := range []int64{0, 1, 63, 64, 127, 128, 1000, 123_456, 60_000_000} {
		var h histogram
		h.add(us)
		h.add(1 << 40) // so that the largest does not cap the answer
		if found := h.at(0.5); found < us || float64(found) > float64(us)*1.016 {
			t.Errorf("%d is read as %d", us, found)
		}
	}
}
