"""Reproduce a figure of a paper: its picture, the numbers in it, and what it shows, from one seed."""

from thalweg import figures

drawn = figures.draw("saddle", size="quick", seed=0)
print(drawn.reading)
for path in figures.save(drawn, ".", "saddle", title=figures.named("saddle").title, command="thalweg figure saddle"):
    print("saved:", path)
