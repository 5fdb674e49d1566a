"""Is my data weakly interacting? Which theorems apply, by what margin, and what would change that.

python is_my_data_weakly_interacting.py table.csv answer     for a table of your own and its column of labels
"""

import sys

import thalweg as tw

data = tw.data.load(*sys.argv[1:3]) if len(sys.argv) > 2 else tw.data.sphere(40, 4000, seed=1)
print(data)

verdict = "holds" if data.coherence.weakly_interacting else "fails"
print(f"\nweak interaction {verdict}\n")

report = tw.check("dana-bach-pillaud-vivien", data=data, width=40)
print(report.verdict)
for finding in report.findings:
    for hypothesis in finding.hypotheses:
        print(f"  {finding.theorem.name:20} {hypothesis.name:24} {hypothesis.verdict}")
for step in report.next_steps:
    print("next:", step)
