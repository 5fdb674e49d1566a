"""Certify runs: flow until it is proved what becomes of each, keep the proof in a file, and check it from there."""

import thalweg as tw

data = tw.data.sphere(10, 60, seed=1)
for width in (12, 40):
    traj = tw.flow(tw.init.dominated(60, width, seed=2), data, t_end=1e4, stop=tw.Certified())
    certificate = tw.certify(traj.final, data)
    print(f"{width} neurons: decided at t = {traj.t[-1]:.4g}, when the loss is {traj.loss[-1]:.3g}")
    print(certificate.explain())
    path = certificate.save(f"proof_{width}.json")
    print("verified from the file, in other arithmetic:", tw.Certificate.load(path).verify(), end="\n\n")
