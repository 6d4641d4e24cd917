"""Calls that nobody wrote by hand: a sound call of a function, with one argument at a time replaced by what makes no sense.

Each ends in a right answer or in one sentence of ours, and never in the depths or after a minute."""
import math,signal,traceback
from contextlib import contextmanager
from pathlib import Path
import numpy as np,pytest,torch
from semistyle.all import *
from semistyle.data.factors import CodeSpace
from semistyle.data.loaders import FactorLoader,split_labels,value_weights
from semistyle.discover.distill import DensityRatio,TotalCorrelation,train_vae
from semistyle.metrics.control import control_between
from semistyle.training.learner import TrainingDiverged

def photo(o):
    from PIL import Image
    Image.new('RGB', (40,40), (9,99,200)).save(o/'p.png')
    return o/'p.png'

# Functions: a sound call each, by names of arguments
@pytest.fixture(scope='module')
def it(tmp_path_factory):
    class It: pass
    it = It()
    it.home = tmp_path_factory.mktemp('made')
    it.w,it.m = load_world('sprites', 16),load_model('robot-64')
    it.s,it.r = it.m.sampler(),load_world('robot', 64)
    it.photo = photo(it.home)
    it.weights = value_weights(it.w.space, 'shape', 0, .5)
    it.o = load_model('robot-oracle-64').oracle
    it.sg = load_model('shapes-stylegan2-32').generator
    it.v = torch.randn(2, it.sg.num_ws, it.sg.w_dim)
    it.dirs = Directions(it.v, owner_of(it.sg))
    it.codes,it.factors = np.random.default_rng(0).random((200,3)),np.random.default_rng(0).integers(3, size=(200,2))
    return it

FUNCTIONS = dict(
    value_weights=lambda it: (value_weights, dict(space=it.w.space, factor='shape', value=1, share=.5)),
    split_labels=lambda it: (split_labels, dict(space=it.w, eta=1e-4, seed=0, weights=it.weights)),
    FactorLoader=lambda it: (lambda **k: next(iter(FactorLoader(**k))), dict(world=it.w, split=split_labels(it.w, 1e-4), bs=4, labelled_bs=2, seed=0, n_batches=1, weights=it.weights)),
    CodeSpace=lambda it: (lambda n, **k: CodeSpace(**k).sample_codes(n), dict(categories=(2,3), continuous=1, n=4)),
    FactorSpace=lambda it: (FactorSpace, dict(names=['a','b'], sizes=[2,3])),
    control_between=lambda it: (control_between, dict(generate=it.s.of, world=it.r, oracle=it.o, n=4, seed=0, bs=2)),
    train_vae=lambda it: (lambda **k: train_vae(**k, kimg=.008, progress=False), dict(loader=FactorLoader(it.w, bs=4), beta=1., z_dim=2, width=4, hidden=8, lr=1e-3, seed=0,
                          likelihood='bernoulli', terms=[TotalCorrelation(2.)], minutes=1.)),
    TotalCorrelation=lambda it: (lambda **k: train_vae(FactorLoader(it.w, bs=4), z_dim=2, width=4, hidden=8, kimg=.008, progress=False, terms=[TotalCorrelation(**k)]), dict(beta=2., estimator='weighted')),
    DensityRatio=lambda it: (lambda **k: train_vae(FactorLoader(it.w, bs=4), z_dim=2, width=4, hidden=8, kimg=.008, progress=False, terms=[DensityRatio(**k)]), dict(gamma=2., lr=1e-4, hidden=8)),
    load_world=lambda it: (load_world, dict(name='sprites', resolution=16)),
    load_dataset=lambda it: (load_dataset, dict(name=it.home, resolution=16, labels='none', fit='crop', filter='box', background=255, bits=16, channels=3)),
    score_factors=lambda it: (score_factors, dict(codes=it.codes, factors=it.factors, metrics=('mig','sap'), seed=0)),
    informative_subspace=lambda it: (informative_subspace, dict(g=it.sg, n=50, seed=0)),
    Directions=lambda it: (Directions, dict(variations=it.v, owner=owner_of(it.sg), names=['a','b'])),
    read_photos=lambda it: (read_photos, dict(paths=it.photo, resolution=16, channels=3, fit='crop', filter='box', background=255)),
    set_seed=lambda it: (set_seed, dict(seed=0)),
    gan_learner=lambda it: (gan_learner, dict(world=it.w, preset='robot-16', seed=0)),
    plan_run=lambda it: (lambda **k: plan_run('/nowhere', **k), dict(world='sprites', preset='robot-16', seed=0, minutes=1., kimg=1.)))

def odd_values(v):
    "Name -> what makes no sense in the place of `v`"
    if isinstance(v, bool) or callable(v): return {}
    if isinstance(v, (int,float)): return dict(nan=math.nan, inf=math.inf, below=-1, zero=0, part=1.5, huge=1e30 if isinstance(v, float) else 10**30, word='x', list=[1], none=None, array=np.array([1.,2.]), complex=1j)
    if isinstance(v, (str,Path)): return dict(empty='', word='nowhere', number=3, list=['a'], none=None, odd='[\n<b>')
    if isinstance(v, torch.Tensor): return dict(nan=v*math.nan, inf=v/0, complex=v+0j, bytes=(v*9).to(torch.uint8), empty=v[:0], flat=v.reshape(-1), array=v.numpy(), word='x')
    if isinstance(v, np.ndarray): return dict(nan=v*math.nan, inf=v+math.inf, below=v-9, zero=v*0, short=v[:-1], flat=v.reshape(-1)[:3], empty=v[:0], word='x', words=v.astype(str), none=None)
    if isinstance(v, (list,tuple)): return dict(empty=type(v)(), nan=type(v)([math.nan]), below=type(v)([-1]), words=type(v)(['x']), none=type(v)([None]), number=3, twice=type(v)([*v,*v]))
    return {}                                                              # an object is what its caller says

ALLOWED = TypeError,ValueError,ImportError,OSError,TrainingDiverged
def ours(e):
    "Raised in this package, or by Python where a call does not fit"
    last = traceback.extract_tb(e.__traceback__)[-1]
    return '/semistyle/' in last.filename or '/fastcore/' in last.filename

class TooLong(Exception): pass

@contextmanager
def within(seconds):
    "Calls that take longer than any sound one are wrong as well"
    def stop(*_): raise TooLong(f'{seconds} s')
    was = signal.signal(signal.SIGALRM, stop); signal.alarm(seconds)
    try: yield
    finally: signal.alarm(0); signal.signal(signal.SIGALRM, was)

def wrong_of(name, it):
    "(argument, what was given, what happened) of calls that end in the depths"
    f,kw = FUNCTIONS[name](it)
    f(**kw)
    for k,v in kw.items():
        for what,o in odd_values(v).items():
            try:
                with within(60): res = f(**{**FUNCTIONS[name](it)[1], k:o})
            except ALLOWED as e:
                if not ours(e): yield k,what,f'{type(e).__name__}: {str(e)[:120]} in {traceback.extract_tb(e.__traceback__)[-1].filename[-60:]}'
            except Exception as e: yield k,what,f'{type(e).__name__}: {str(e)[:120]}'
            else:
                nums = [x for x in (res.values() if isinstance(res, dict) else [res]) if isinstance(x, (float,np.ndarray,torch.Tensor))]
                if any(not np.isfinite(np.asarray(x, dtype=np.float64)).all() for x in nums): yield k,what,'answers with what is not finite'

@pytest.mark.parametrize('name', FUNCTIONS)
def test_functions(name, it):
    "A right answer, or a sentence of ours"
    bad = [*wrong_of(name, it)]
    assert not bad, '\n'.join(map(str, bad))
