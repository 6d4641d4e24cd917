"""How many labels are enough: the share of labelled images from none to all, with two weights of the unsupervised term (Nie et al. 2020,
Figure 2).

    python experiments/run.py semi_stylegan_labels --seeds 3
    python experiments/run.py semi_stylegan_labels --seeds 3 --set "preset=room-32"

Rows are runs as those of Table 3; its row `full` is this one's with gamma = 10, so that what it has need not be computed again: name the rows to
compute. Without labels it is Info-StyleGAN: the unsupervised term in both phases, with the same weight."""
from semi_stylegan_table3 import settings,run_row

settings = {k:v for k,v in settings.items() if k!='eta'}
etas = 0.,.001,.0025,.005,.01,.025,1.

def _row(eta, gamma):
    unlabelled = {} if eta else dict(beta=0., alpha=0., gamma_e=gamma)
    return dict(eta=eta, gamma_g=gamma) | unlabelled

rows = {f'gamma-{gamma:g}-eta-{eta:g}': _row(eta, gamma) for gamma in (1.,10.) for eta in etas}
sets = {f'gamma-{gamma}': {k:v for k,v in rows.items() if k.startswith(f'gamma-{gamma}-')} for gamma in (10,1)}
sets = dict(all=rows) | sets

def target(row, seed, settings): return f"{settings['preset']}/{row}-{seed}.json"
