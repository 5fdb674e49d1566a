"""A first flow: random data, a network, the trajectory in words and in one HTML report."""

import thalweg as tw

data = tw.data.sphere(30, 100, seed=1)
network = tw.init.dominated(100, 20, seed=2)
traj = tw.flow(network, data, t_end=1e4, stop=tw.LossBelow(1e-6))

print(traj)
print("report:", tw.report.write(traj, "first_flow.html"))
