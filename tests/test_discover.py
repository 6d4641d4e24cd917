"Discovery end to end: killed and resumed, another generator's directions, damaged files, hostile predictors, the command's core."
import math,os,signal,subprocess,sys,time
import pytest,torch
from semistyle.discover.navigator import Directions,load_directions,owner_of,save_directions
from semistyle.discover.subspace import informative_subspace
from semistyle.discover.train import learn_directions
from semistyle.metrics.discovery import Attributes,discovery_scores
from semistyle.toys import KnownGenerator
from semistyle.models.checkpoint import load_state
from semistyle.models.features import as_features

RUN = """
import sys,torch
torch.set_num_threads(1)
from semistyle.discover.train import learn_directions
from semistyle.toys import KnownGenerator
from semistyle.models.features import as_features
learn_directions(KnownGenerator(num_ws=4, layers=(0,3)), as_features(lambda x: x, 'pixels'), 'prototype', 4, k=2, subspace=500, kimg=%s,
         save=sys.argv[1], resume=True, progress=False, minutes=None)
"""

@pytest.fixture(scope='module')
def toy(): return KnownGenerator(num_ws=4, layers=(0,3))

@pytest.fixture
def saved(toy, tmp_path):
    save_directions(tmp_path/'d', Directions(toy.directions, owner_of(toy)))
    return tmp_path/'d'

@pytest.mark.slow
def test_killed_and_resumed_ends_with_the_same_bits(tmp_path):
    def start(out):
        return subprocess.Popen([sys.executable, '-W', 'ignore', '-c', RUN % 3, str(out)],
                                env=os.environ | dict(OMP_NUM_THREADS='1'))
    assert start(tmp_path/'whole').wait()==0
    p = start(tmp_path/'parts')
    while not (tmp_path/'parts'/'state').exists():
        assert p.poll() is None; time.sleep(.05)
    p.send_signal(signal.SIGKILL); p.wait()
    assert start(tmp_path/'parts').wait()==0
    a,b = (load_state(tmp_path/o/'state')[0] for o in ('whole','parts'))
    for k in a: assert k.startswith('rng.') or torch.equal(a[k], b[k]), k

@pytest.mark.parametrize('other,says', [(dict(num_ws=5, layers=(0,3)), 'num_ws=5'),
                                        (dict(num_ws=4, layers=(0,3), w_dim=9), 'w_dim=9'),
                                        (dict(num_ws=4, layers=(0,3), seed=1), 'same sizes and other weights')])
def test_directions_of_another_generator_are_refused(saved, other, says):
    with pytest.raises(ValueError, match=says): load_directions(saved, KnownGenerator(**other))

@pytest.mark.parametrize('name', ['directions.json','directions.safetensors'])
def test_damaged_directions_are_refused(saved, toy, name):
    data = (saved/name).read_bytes()
    for new in (data[:-20], data[:50]+bytes([data[50]^1])+data[51:], b'\x80\x04.'):
        (saved/name).write_bytes(new)
        with pytest.raises(ValueError, match=name.replace('.', r'\.')): load_directions(saved, toy)

def test_a_predictor_that_returns_nan_is_named(toy):
    bad = Attributes(lambda x: toy.read(x)+torch.tensor([0,math.nan,0,0]), ['hue','size','turn','tilt'], 'shaky')
    with pytest.raises(ValueError, match="'shaky' should return finite attributes, got NaN or infinity for size"):
        discovery_scores(bad, toy, toy.directions)

def test_a_subspace_of_a_million_stays_small(toy):
    import resource
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    s = informative_subspace(toy, 1_000_000, progress=False)
    # kB; a million vectors with their latents are more
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss-before < 200_000
    assert torch.allclose(s.eigenvalues[:2], torch.tensor([4.,1]), rtol=.01)

def test_discovery_leaves_the_generator_and_the_random_stream_alone(toy):
    g = KnownGenerator(num_ws=4, layers=(0,3)).train()
    was,stream = {k:v.clone() for k,v in g.state_dict().items()},torch.get_rng_state()
    learn_directions(g, as_features(lambda x: x, 'pixels'), n_directions=3, subspace=200, kimg=.016, progress=False)
    assert g.training and all(torch.equal(v, was[k])
                              for k,v in g.state_dict().items()) and torch.equal(stream, torch.get_rng_state())
