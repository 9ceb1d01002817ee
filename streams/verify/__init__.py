"""`distributary verify`: load, faults on purpose, and the proof that nothing was lost.

Reading order: `run` plays scenarios (`faults`) on a `stage`; `script` says beforehand what should become of
every event, `topics` and `destination` what did, `judge` compares the two, `report` prints it.
"""
