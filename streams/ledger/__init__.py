"""The sums: what became of every event, per destination, computed from the topics alone.

    accepted = delivered + filtered(rule) + dead(reason) + waiting(tier) + queued + unaccounted

An event is one offset of a source partition (within one replay, or none), so each term is a set of
offsets, held as a bitmap, and a record that was written twice counts once. An event that is in
several sets counts in the first of: delivered, waiting, queued, dead.

    extent    how far everything has come, in the order that makes it exact while it moves
    keeper    a turn: read what is new, fold it in, do the sums
    notes     what of a routed note, of attempts or of a dlq record the sums need
    entries   the sets; `accounts`, `deaths`, `minutes`, `moving` are parts of them
    sums      the sums of the sets, whole or of a period; `books` are the sums of everything
    state     the sets in a file, so that the next process goes on from there
    exporter  the sums as metrics
"""
