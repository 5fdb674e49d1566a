"""A threshold study on two processes: up to how many samples does gradient descent fit, in ten dimensions?

It may be interrupted: run it again, and it goes on with the trials that the store does not have yet.
"""

import thalweg as tw

SPEC = """
[study]
name = "how many samples"
method = "descend"
[grid]
n = [10, 15, 20, 25, 30, 40]
d = 10
p = 30
[trials]
repetitions = 20
seed = 7
[descend]
step_size = 1.0
steps = "published"
[success]
loss_below = "1/(2n)"
"""


def main():
    report = tw.study.run_study(tw.study.Study.from_toml(SPEC), "threshold-study", tw.study.processes(2))
    print(report.ending)
    found = tw.study.results("threshold-study")
    for row in found.table():
        print(f"n = {row['n']:3}: {row['successes']:2} of {row['trials']} ({row['low']:.2f} to {row['high']:.2f})")
    for _, threshold in found.thresholds():
        print(f"half succeed at n = {threshold.estimate:.3g}, between {threshold.low:.3g} and {threshold.high:.3g}")


if __name__ == "__main__":  # worker processes import this file
    main()
