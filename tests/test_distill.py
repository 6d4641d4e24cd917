"Distilling end to end: a run killed and resumed, damaged and foreign stores of pairs, the driver of the table, the command."
import os,signal,subprocess,sys,time
from pathlib import Path
import pytest,torch
from commands import refuses,run
from semistyle.core import read_json,set_seed
from semistyle.data.packed import pack
from semistyle.data.open import load_world
from semistyle.discover.distill import distill_encoder,train_vae
from semistyle.discover.pairs import GeneratedPairs,PackedPairs,WorldPairs,pack_pairs
from semistyle.discover.navigator import Directions,load_directions,owner_of,save_directions
from semistyle.toys import KnownGenerator
from semistyle.models.checkpoint import load_model,load_state,save_model
from semistyle.models.stylegan2 import StyleGAN2Discriminator,StyleGAN2Generator

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT/'experiments'))
import run as driver
TINY = dict(width=4, hidden=8, z_dim=4, bs=16, progress=False)
RUN = """
import sys,torch
torch.set_num_threads(1)
from semistyle.discover.distill import distill_encoder
from semistyle.toys import KnownGenerator
toy = KnownGenerator(num_ws=4, layers=(0,3))
distill_encoder(toy, toy.directions, kimg=%s, width=4, hidden=8, z_dim=4, bs=16, progress=False, save=sys.argv[1], resume=True)
"""

@pytest.fixture(scope='module')
def toy(): return KnownGenerator(num_ws=4, layers=(0,3))

@pytest.fixture(scope='module')
def model(tmp_path_factory):
    "A folder with a small untrained generator, `m`, and directions of it, `d`"
    tmp = tmp_path_factory.mktemp('model'); set_seed(0)
    g = StyleGAN2Generator(16, z_dim=8, w_dim=16, channel_base=64, channel_max=8, mapping_layers=1)
    d = StyleGAN2Discriminator(16, channel_base=64, channel_max=8)
    save_model(tmp/'m', dict(note='untrained'), generator=g, discriminator=d)
    save_directions(tmp/'d', Directions(torch.randn(3, g.num_ws, 16), owner_of(g), ['up','down','round']))
    return tmp

@pytest.mark.slow
def test_killed_and_resumed_ends_with_the_same_bits(tmp_path):
    def start(out):
        return subprocess.Popen([sys.executable, '-W', 'ignore', '-c', RUN % 12, str(out)],
                                env=os.environ | dict(OMP_NUM_THREADS='1'))
    assert start(tmp_path/'whole').wait()==0
    p = start(tmp_path/'parts')
    while not (tmp_path/'parts'/'state').exists():
        assert p.poll() is None; time.sleep(.02)
    p.send_signal(signal.SIGKILL); p.wait()
    assert start(tmp_path/'parts').wait()==0
    a,b = (load_state(tmp_path/o/'state')[0] for o in ('whole','parts'))
    for k in a: assert k.startswith('rng.') or torch.equal(a[k], b[k]), k

def test_training_leaves_the_global_streams_and_the_generator_alone(toy):
    set_seed(3); before,weights = torch.get_rng_state(),{k:v.clone() for k,v in toy.state_dict().items()}
    distill_encoder(toy, toy.directions, kimg=.05, **TINY)
    assert torch.equal(before, torch.get_rng_state())
    for k,v in toy.state_dict().items(): assert torch.equal(v, weights[k]), k

def test_another_seed_is_another_run_and_the_same_one_the_same(toy):
    a,b,c = (distill_encoder(toy, toy.directions, kimg=.05, seed=o, **TINY).vae.state_dict() for o in (0,0,1))
    assert all(torch.equal(a[k], b[k]) for k in a) and not all(torch.equal(a[k], c[k]) for k in a)

@pytest.mark.parametrize('name', ['images.npy','packed.json','codes.npy'])
def test_a_damaged_store_of_pairs_is_refused(toy, tmp_path, name):
    pack_pairs(GeneratedPairs(toy, toy.directions, bs=4), tmp_path/'p', 10, progress=False)
    file = tmp_path/'p'/name
    file.write_bytes(file.read_bytes()[:-7])
    with pytest.raises(ValueError, match=name.replace('.', r'\.')): PackedPairs(tmp_path/'p')

def test_a_store_of_other_pictures_is_refused(tmp_path):
    class Four(type(load_world('sprites', 8))):
        def __len__(self): return 4
    from semistyle.data.factors import AttributeSpace
    four = Four(8); four.space,four.codes = AttributeSpace(['a'], [2]),lambda idx: torch.zeros(len(idx), 1).numpy()
    four._images = lambda idx: torch.zeros(len(idx), 8, 8, 1, dtype=torch.uint8).numpy()
    four.images = four._images
    pack(four, tmp_path/'w', workers=1, progress=False)
    with pytest.raises(ValueError, match='store should hold pairs, made by `pack_pairs`'): PackedPairs(tmp_path/'w')

def test_a_world_of_one_factor_has_pure_pairs_only():
    world = load_world('sprites', 8)
    a,b,k = WorldPairs(world, bs=200).factors(3)
    assert ((a!=b).sum(1)==1).all() and (b<world.space.sizes).all() and (b>=0).all()

def test_grey_pictures_and_an_encoder_of_another_size(tmp_path):
    res = train_vae(WorldPairs(load_world('sprites', 16), bs=16), 'adaptive', kimg=.05, width=4, hidden=8, z_dim=3,
                    progress=False)
    res.save(tmp_path/'vae')
    vae = load_model(tmp_path/'vae').vae
    assert vae.img_shape==(1,16,16)
    with pytest.raises(ValueError, match=r'images for this VAE should be \[N,1,16,16\], got \[2, 3, 16, 16\]'):
        vae.encode(torch.zeros(2,3,16,16))

def test_the_driver_writes_a_file_a_row_and_skips_it(tmp_path, capsys):
    changed = 'kimg=.1 resolution=16 metrics=mig n=500 keep=group_mixed_50'
    def compute():
        driver.main('distill', seeds=1, rows='group_mixed_50 beta_tcvae', set=changed, out=str(tmp_path), dirty=True)
    compute()
    assert sorted(o.name for o in tmp_path.iterdir())==['beta_tcvae-0.json','group_mixed_50-0','group_mixed_50-0.json']
    row = read_json(tmp_path/'group_mixed_50-0.json')['rows'][0]
    assert row['mixed']==.5 and row['rule']=='known' and 0<=row['mig']<=1 and row['world']=='shapes-16'
    said = capsys.readouterr().out; compute()
    assert 'beta_tcvae' in said and capsys.readouterr().out=='0 of 2 left\n'
    assert load_model(tmp_path/'group_mixed_50-0').vae.img_shape==(3,16,16)

def test_the_driver_on_generated_pairs(model, tmp_path, capsys):
    def compute(directions, more=''):
        changed = f"kimg=.1 metrics=mig n=500 model={model/'m'} pairs=20 store={tmp_path/'s'} directions={directions} {more}"
        driver.main('distill', seeds=1, set=changed, out=str(tmp_path/'o'), dirty=True)
    compute(model/'d')
    assert read_json(tmp_path/'o'/'generated-0.json')['rows'][0]['method']=='generated'
    d = load_directions(model/'d')
    save_directions(tmp_path/'twice', Directions(torch.cat([d.variations, d.variations[:1]]), d.owner))
    for distinct,n in ((.99,3), (0.,4)):
        compute(tmp_path/'twice', f'name=n{n} distinct={distinct}')
        assert f'pairs along {n} directions' in capsys.readouterr().out

def test_the_driver_multiplies_posteriors(model, tmp_path):
    "In the row of rendered pairs, and in one of a generator that is asked for it"
    def compute(rows, more):
        driver.main('distill', seeds=1, rows=rows, set=f'kimg=.1 resolution=16 metrics=mig n=500 {more}', out=str(tmp_path), dirty=True)
    compute('ml_vae_pure group_pure', '')
    compute('', f"model={model/'m'} pairs=20 store={tmp_path/'s'} directions={model/'d'} average=product name=found")
    times,plain,found = (read_json(tmp_path/f'{o}-0.json') for o in ('ml_vae_pure','group_pure','found'))
    assert [o['rows'][0]['average'] for o in (times,plain,found)]==['product','mean','product']
    assert times['settings']['average']==found['settings']['average']=='product' and 'average' not in plain['settings']
    assert times['rows'][0]['divergence']!=plain['rows'][0]['divergence'] and times['asked']['average']=='product'

def test_the_command(model, tmp_path):
    res = run('semistyle_distill', str(model/'m'), str(model/'d'), '--out', str(tmp_path/'out'), '--kimg', '.1',
              '--pairs', '20')
    assert res.code==0, res.err
    assert {o.name for o in (tmp_path/'out').iterdir()}=={'dimensions.png','distill.json','run','vae'}
    assert 'semistyle_distill' in read_json(tmp_path/'out'/'distill.json')['command']

def test_the_command_without_directions(tmp_path):
    "A method by its name learns from single pictures, and is gone on with as itself alone"
    def args(method, *more):
        return ['room', '--method', method, '--resolution', 16, '--kimg', .1, '--n', 2000, '--out', tmp_path/method,
                *more]
    for method,has in (('factor-vae','density_ratio'), ('beta-tcvae','total_correlation')):
        res = run('semistyle_distill', *args(method))
        assert res.code==0 and f'{method} of room in 10 dimensions' in res.out, res.err
        about = read_json(tmp_path/method/'distill.json')
        assert [*about['settings']['terms']]==[has] and about['method']==method and 0<=about['metrics']['mig']<=1
    # what is left is a model like others: measured by what its encoder reads, and drawn
    left = tmp_path/'factor-vae'/'vae'
    res = run('semistyle_eval', left, '--metrics', 'mig,modularity', '--samples', 500, '--seeds', 1, '--n', 500, '--out', tmp_path/'m.json')
    assert res.code==0 and [*read_json(tmp_path/'m.json')['metrics']]==['mig','modularity'], res.err
    res = run('semistyle_eval', left, '--n', 500, '--seeds', 1)
    assert res.code==0 and 'mig' in res.out and 'oracle' not in res.out, res.err
    for o,why in dict(mig_gen='no generator here takes codes', l2='nobody has named the parts of its code').items():
        refuses('semistyle_eval', left, '--metrics', o, '--out', tmp_path/'no.json', says=[f'cannot be measured: {why}'])
    for name in ('a.png','a.gif'):
        res = run('semistyle_show', left, '--out', tmp_path/name)
        assert res.code==0 and (tmp_path/name).stat().st_size>1000, res.err
    refuses('semistyle_show', left, '--kind', 'interpolation', '--out', tmp_path/'b.gif', says=['kind should be grid or traversals for a VAE'])
    refuses('semistyle_distill', *args('factor-vae', '--resume', '--beta', 7),
            says=['should be resumed with its own settings'])
    refuses('semistyle_distill', *args('dip-vae'), says=['method should be one of beta-vae, factor-vae, beta-tcvae'])
    for more in ([],['found','--method','beta-vae']):
        refuses('semistyle_distill', 'shapes', *more, says=['directions or a --method should be given'])

@pytest.mark.parametrize('args,says', [(['m','m'], 'should hold directions.json'),
                                       (['nowhere','d'], 'model should be one of'),
                                       (['m','d','--rule','gvae'], "rule should be one of"),
                                       (['m','d','--pairs','0'], 'pairs should be at least 2'),
                                       (['m','d','--world','moon'], "world should be a rendered one, got 'moon'")])
def test_the_command_says_what_is_wrong(model, tmp_path, args, says):
    args = [str(model/o) if o in ('m','d') else o for o in args]
    res = run('semistyle_distill', *args, '--out', str(tmp_path/'out'), '--kimg', '.1')
    assert res.code==2 and says in res.err, res.err

@pytest.mark.parametrize('kind', ['npy','npz','pt','pkl','safetensors'])
def test_directions_of_others(model, tmp_path, kind):
    "Any file of arrays that an edit takes: distilled, and resumed only with the same"
    import pickle
    import numpy as np
    from safetensors.torch import save_file
    def write(v, path):
        if kind=='npy': np.save(path, v.numpy())
        elif kind=='npz': np.savez(path, v=v.numpy())
        elif kind=='safetensors': save_file(dict(v=v), path)
        elif kind=='pkl': path.write_bytes(pickle.dumps(dict(v=v.numpy()), 4))
        else: torch.save(dict(v=v), path)
        return path
    path,size = write(torch.randn(3,16), tmp_path/f'v.{kind}'),['--pairs',32,'--kimg',.1]
    r = run('semistyle_distill', model/'m', path, '--out', tmp_path/'o', *size)
    assert r.code==0 and '3 directions in 10 dimensions' in r.out, r.err
    assert read_json(tmp_path/'o'/'distill.json')['directions']==[f'v {i}' for i in range(3)]
    write(torch.randn(3,16), path)
    refuses('semistyle_distill', model/'m', path, '--out', tmp_path/'o', *size, '--resume',
            says=['should be new or the store of this data set'])
    for bad,says in ((torch.randn(3,9), 'has shape [3, 9]'), (torch.randn(3,16)*float('nan'), 'holds NaN or infinity'),
                     (torch.ones(3,16).long(), 'should hold floating-point numbers')):
        refuses('semistyle_distill', model/'m', write(bad, tmp_path/f'bad.{kind}'), '--out', tmp_path/'bad', *size,
                says=[says])
    refuses('semistyle_distill', model/'m', tmp_path/f'gone.{kind}', '--out', tmp_path/'bad', *size,
            says=['is missing'])
    assert not (tmp_path/'bad').exists()
