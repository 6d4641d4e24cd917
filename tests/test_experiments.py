"The driver of the papers' rows: skips what is done, goes on with what was cut off, says what is left, records how."
import json,shlex,subprocess,sys
import pytest
from conftest import ROOT
from semistyle.core import read_json
from semistyle.models.checkpoint import load_model

sys.path.insert(0, str(ROOT/'experiments'))
import run as driver
import semi_stylegan_table3 as table3

HOW = dict(seeds=1, rows='encoder_only', set='preset=robot-16 kimg=.08 n=200') # ten batches, no generator to judge
FILE = 'results/semi_stylegan_table3/robot-16/eta-0.005/encoder_only-0.json'
FOLDER = 'runs/experiments/semi_stylegan_table3/robot-16/eta-0.005/encoder_only-0'

@pytest.fixture
def here(tmp_path, monkeypatch):
    "An empty working directory, and a function that computes one row in it"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(driver, 'changes', lambda: '')
    return tmp_path,lambda **more: driver.main('semi_stylegan_table3', **HOW | more)

def test_a_row_cut_off_twice_is_the_same_bit_for_bit_and_then_skipped(here, monkeypatch, capsys):
    tmp,compute = here
    compute(out='whole')
    whole = read_json(tmp/'whole'/'robot-16'/'eta-0.005'/'encoder_only-0.json')
    assert whole['rows'][0]['kimg']==.08 and not (tmp/FOLDER).exists() and '0 of 1 left' in capsys.readouterr().out
    def hours_are_over(row):
        row.end = 0.  # the first batch is the last
        return run_row(row)
    run_row = table3.run_row
    with monkeypatch.context() as m:
        m.setattr(table3, 'run_row', hours_are_over)
        compute()
    assert capsys.readouterr().out.endswith('1 of 1 left: encoder_only-0\n')
    assert load_model(tmp/FOLDER/'model').config['kimg']==.008 and not (tmp/FILE).exists()
    compute(list=True)
    assert capsys.readouterr().out=='begun encoder_only-0\n'
    def killed(*args, **kwargs): raise KeyboardInterrupt
    with monkeypatch.context() as m:  # after the last batch, before the record
        m.setattr(driver.Row, 'record', killed)
        with pytest.raises(KeyboardInterrupt): compute()
    assert round(load_model(tmp/FOLDER/'model').config['kimg'], 6)==.08 and not (tmp/FILE).exists()
    compute()
    res = read_json(tmp/FILE)
    assert res['rows']==whole['rows'] and res['seed']==0 and 'dirty' not in res and not (tmp/FOLDER).exists()
    assert res['command']=="python experiments/run.py semi_stylegan_table3 --seeds 1 --rows encoder_only --set 'preset=robot-16 kimg=.08 n=200' --threads 1"
    capsys.readouterr()
    monkeypatch.setattr(table3, 'run_row', killed)
    compute(); compute(list=True)
    assert capsys.readouterr().out=='0 of 1 left\ndone  encoder_only-0\n'

def test_another_setting_does_not_go_on_with_a_run(here, monkeypatch):
    _,compute = here
    def hours_are_over(row): row.end = 0.; return run_row(row)
    run_row = table3.run_row
    monkeypatch.setattr(table3, 'run_row', hours_are_over)
    compute()
    with pytest.raises(ValueError, match='kimg should be 0.08, as .*encoder_only-0 was started with, got 0.16: finish'):
        compute(set='preset=robot-16 kimg=.16 n=200')

def test_a_row_of_other_settings_does_not_count_as_done(here, monkeypatch, capsys):
    tmp,compute = here
    monkeypatch.setattr(table3, 'run_row', lambda row: row.record(rows=[]))
    compute()
    assert read_json(tmp/FILE)['asked']==dict(preset='robot-16', eta=.005, kimg=.08, n=200)
    compute(set='n=200 preset=robot-16 eta=.005 kimg=0.08')
    assert capsys.readouterr().out.endswith('0 of 1 left\n')
    other = dict(set='preset=robot-16 kimg=.16 n=300')
    with pytest.raises(ValueError, match='kimg and n should be 0.08 and 200, as results/.*-0.json was computed with, '
                                         'got 0.16 and 300: choose another folder'): compute(**other)
    compute(**other, list=True)
    assert capsys.readouterr().out=='done  encoder_only-0, with kimg=0.08 n=200\n'
    compute(**other, out='more')  # the way out
    assert read_json(tmp/'more'/'robot-16'/'eta-0.005'/'encoder_only-0.json')['asked']['kimg']==.16

def test_older_records_say_their_settings_by_their_commands(here):
    "Those of the driver have its defaults where they name nothing; those of earlier ones say what they name"
    tmp,_ = here
    file = tmp/'results'/'semi_stylegan_rare'/'robot-32'/'object_shape-2'/'even-0.json'
    file.parent.mkdir(parents=True)
    def other(command, text):
        file.write_text(json.dumps(dict(command=command)))
        row, = driver.plan('semi_stylegan_rare', 1, 'even', text)
        return row.other()
    driver_s = "python experiments/run.py semi_stylegan_rare --seeds 1 --set 'share=.05 old=3' --threads 1"
    assert other(driver_s, '')==dict(share=(.05,.01)) and other(driver_s, 'share=.05')=={}
    assert other(driver_s, 'share=.05 eta=.1')==dict(eta=(.005,.1))
    assert other('python benchmarks/rare.py --share .05 --seeds 3', 'eta=.1')==dict(share=(.05,.01))
    assert other('by hand', 'eta=.1')=={}

def test_a_projection_has_the_steps_that_are_asked_for(here):
    "A model's own settings give way to those that --set names, also where it names the default"
    def steps(text): return [o.asked['steps'] for o in driver.plan('projection', 1, 'robot-64 robot-stylegan2-32', text)]
    assert steps('')==[300,1000] and steps('steps=300')==[300,300] and steps('steps=5')==[5,5]

def test_files_that_are_not_committed_are_said(here, monkeypatch):
    tmp,compute = here
    monkeypatch.setattr(driver, 'changes', lambda: ' M semistyle/core.py')
    with pytest.raises(ValueError, match='should be committed, or --dirty given; are not:\n M semistyle/core.py'):
        compute()
    assert not (tmp/FOLDER).exists()
    monkeypatch.setattr(table3, 'run_row', lambda row: row.record(rows=[]))
    compute(dirty=True)
    assert read_json(tmp/FILE)['dirty'] is True

def test_a_refusal_is_a_sentence(tmp_path):
    res = subprocess.run([sys.executable, ROOT/'experiments'/'run.py', 'semi_stylegan_table3', '--rows', 'fuller'],
                         cwd=tmp_path, capture_output=True, text=True)
    assert res.returncode==1 and res.stderr.startswith('run.py: --rows should be among') and res.stderr.count('\n')==1

def test_words_of_an_interrupt_and_of_a_mistake_of_our_own(capsys):
    for kind,words in ((KeyboardInterrupt, 'run.py: interrupted; the same command goes on\n'),
                       (driver.Refusal, 'run.py: give more\n')):
        driver.said(kind, kind('give more'), None)
        assert capsys.readouterr().err==words
    driver.said(ValueError, ValueError('shapes differ'), None)
    assert 'ValueError: shapes differ' in capsys.readouterr().err

def test_no_hours_do_nothing_and_say_what_is_left(tmp_path):
    res = subprocess.run([sys.executable, ROOT/'experiments'/'run.py', 'semi_stylegan_table3', '--hours', '0',
                          '--seeds', '2', '--rows', 'full unsup_in_e'],
                         cwd=tmp_path, capture_output=True, text=True)
    assert (res.returncode, res.stdout)==(0, '4 of 4 left: full-0 unsup_in_e-0 full-1 unsup_in_e-1\n'), res.stderr
    assert not list(tmp_path.iterdir())

def test_every_result_is_done_by_its_own_command(monkeypatch):
    monkeypatch.chdir(ROOT)
    n = 0
    for table in sorted(o.stem for o in (ROOT/'experiments'/'tables').glob('*.py')):
        for file in (ROOT/'results'/table).rglob('*.json'):
            said = read_json(file)
            words = shlex.split(said.get('command') or said.get('config', {}).get('command') or '')
            if words[1:2]!=['experiments/run.py']: continue
            flags,n = dict(zip(words[3::2], words[4::2])),n+1
            rows = driver.plan(table, int(flags['--seeds']), flags.get('--rows', ''), flags.get('--set', ''))
            path = (file.parent if file.name=='config.json' else file).relative_to(ROOT)
            assert path in {o.path for o in rows}, file
            for o in rows: o.refuse_other()
    assert n>100

def test_what_is_recorded_counts_as_done(monkeypatch, capsys):
    "The files of today's tables are those that the driver looks for"
    monkeypatch.chdir(ROOT)
    for table,seeds,set in (('stylegan_studies', 1, ''), ('projection', 1, ''),
                            ('contrafeat_tables', 3, 'model=robot-stylegan2-32')):
        driver.main(table, seeds=seeds, set=set, list=True)
        lines = capsys.readouterr().out.splitlines()
        assert lines and all(o.startswith('done') for o in lines), lines
    driver.main('contrafeat_tables', rows='pairs', list=True)
    assert capsys.readouterr().out=='done  pairs-0\n'
    found = 'results/contrafeat_tables/shapes-stylegan2-32/directions'
    plain = "kimg=300 metrics='factor_vae mig dci_hist'"
    for text in ('', *(f'model=shapes-stylegan2-32 directions={found}/{o}' for o in
                       ('contra-bi name=contra-bi distinct=0','contra-bi name=contra-bi-distinct',
                        'ganspace name=ganspace-distinct','contra-bi name=generated-vae rule='))):
        driver.main('distill', set=f'{plain} {text}', seeds=1, list=True, rows='' if text else 'beta_vae_1 group_pure')
        lines = capsys.readouterr().out.splitlines()
        assert lines and all(o.startswith('done') and ', with' not in o for o in lines), lines

@pytest.mark.parametrize('how,says', [(dict(table='table4'), 'table should be among contrafeat_composed, contrafeat_tables, distill'),
                                      (dict(rows='ful full'), 'among encoder_only.*got ful: check'),
                                      (dict(set='kimgs=3'), "among preset, eta, kimg, n, got 'kimgs=3': check"),
                                      (dict(set='n=many'), "a whole number for n, such as n=10000, got 'n=many'"),
                                      (dict(set='kimg=abc'), "a number for kimg, such as kimg=90.0, got 'kimg=abc'"),
                                      (dict(set='kimg=nan'), "a number for kimg, such as kimg=90.0, got 'kimg=nan'"),
                                      (dict(set='kimg=-1'), "a number for kimg, such as kimg=90.0, got 'kimg=-1'"),
                                      (dict(set='kimg'), "a number for kimg, such as kimg=90.0, got 'kimg'"),
                                      (dict(set='n=1 n=2'), "have n once, got it twice in 'n=1 n=2': leave one out"),
                                      (dict(set='n="1'), "like 'kimg=60 n=1000', got 'n=\"1': No closing"),
                                      (dict(set='preset=robot-99'), '--set: preset should be one of'),
                                      (dict(set='preset=world-32'), "--set: preset 'world-32' has no setting .'eta'."),
                                      (dict(set='preset=fine-robot-32'), "--set: preset should be one of robot-16, .*sprites-64 for semi_stylegan_table3, got 'fine-robot-32': choose"),
    (dict(table='semi_stylegan_rare', set='preset=celeba-64'), "for semi_stylegan_rare, got 'celeba-64': choose"),
    (dict(table='semi_stylegan_fine', set='preset=fine-room-32'), "preset should be one of fine-robot-16, fine-robot-32, fine-robot-64 for semi_stylegan_fine"),
    (dict(table='semi_stylegan_attributes', set='preset=fine-robot-32', out='no'), "for semi_stylegan_attributes, got 'fine-robot-32'"),
    (dict(table='stylegan2_generators', set='preset=robot-32', out='no'), "preset should be one of .*world-32.* for stylegan2_generators, got 'robot-32'"),
                                      (dict(set='eta=7'), '--set: eta should be a finite number of at least 0 and at most 1, got 7'),
                                      (dict(set='eta=0', rows='full'), '--set: eta should leave at least one label for beta, alpha'),
                                      (dict(set='kimg=0 eta=.3'), '--set: kimg should be a finite number above 0'),
                                      (dict(seeds=0), 'seeds should be at least 1, got 0'),
    (dict(table='contrafeat_composed', set='one=colour'), 'one and other should be two of floor_hue.*got colour and scale'),
    (dict(table='contrafeat_composed', set='one=scale'), 'got scale and scale: check the names'),
    (dict(table='contrafeat_tables', set='second=robot-64'), 'second should be a model of shapes.*robot-64 is of robot'),
    (dict(table='contrafeat_tables', set='second=shapes-stylegan2-32'), 'shapes-stylegan2-32 is taught none')])
def test_what_is_not_there(how, says):
    with pytest.raises(ValueError, match=says): driver.main(**dict(table='semi_stylegan_table3') | how)

@pytest.mark.parametrize('table,row,has', [('semi_stylegan_labels', 'gamma-1-eta-0', 0.),
                                           ('semi_stylegan_labels', 'gamma-10-eta-1', 1.),
    ('semi_stylegan_departures', 'forked_readout', .005), ('semi_stylegan_rare', 'rare', .005),
                                           ('semi_stylegan_rare', 'rare_balanced', .005),
                                           ('semi_stylegan_rare', 'rare_label_codes', .005),
    ('semi_stylegan_relatives', 'acgan', .005), ('semi_stylegan_relatives', 'semi_vae', .005),
    ('semi_stylegan_relatives', 'ml_vae', .005)])
def test_each_kind_of_row_is_computed(here, table, row, has):
    tmp,_ = here
    driver.main(table, seeds=1, rows=row, set='preset=robot-16 kimg=.08 n=200')
    (file,) = (tmp/'results'/table).rglob('*.json')
    res = read_json(file)['rows'][0]
    assert (res['method'],res['eta'])==(row,has) and .08<=res['kimg']<=.128 and {'mig','l2'} <= res.keys() and ('encoder_at_value' in res)==(table=='semi_stylegan_rare')

@pytest.mark.parametrize('row', ['fine','no_same_picture','cut_lower','projection'])
def test_unseen_pictures_are_turned(here, row):
    "A row has the same pictures of all worlds; a projection reads no codes of the small pictures, nobody those of new colours"
    driver.main('semi_stylegan_fine', seeds=1, rows=row, set='preset=fine-robot-16 kimg=.04 n=20 projected=2 steps=2')
    res = read_json(here[0]/'results'/'semi_stylegan_fine'/'fine-robot-16'/f'{row}-0.json')['rows']
    assert [o['pictures'] for o in res]==['robot','robot-novel','robot-novel-color'] and [o['turned'] for o in res]==[2 if row=='projection' else 20]*3
    assert all(o['turn_ratio']>0 and o['kept']>0 and ('l2' in o)==(row!='projection' and 'color' not in o['pictures']) for o in res)

@pytest.mark.parametrize('table,row,text', [
    ('semi_stylegan_rare', 'rare_label_codes', 'preset=robot-16 kimg=.08 n=200'),
    ('semi_stylegan_relatives', 'semi_vae', 'preset=robot-16 kimg=.32 n=200'),
    ('semi_stylegan_rivals', 'factor_vae', 'kimg=.32 n=3000 n_quality=200 kept=3 width=4'),
    ('stylegan_tables', 'path_term', 'kimg=.08 oracle_kimg=.1 n=700'),
    ('distill', 'group_mixed_50', 'kimg=.32 resolution=16 metrics=mig n=500')])
def test_rows_that_are_no_runs_go_on_as_well(here, monkeypatch, table, row, text):
    "One cut off after its first batch is that of one go, but for its seconds, which add up"
    import importlib
    tmp,module = here[0],importlib.import_module(table)
    def compute(**more): driver.main(table, seeds=1, rows=row, set=text, **more)
    def hours_are_over(row): row.end = 0.; return run_row(row)
    def kept(row): rows.append(row); return run_row(row)
    run_row,rows = module.run_row,[]
    compute(out='whole')
    monkeypatch.setattr(module, 'run_row', hours_are_over); compute()
    assert not (tmp/'results').exists() and any((tmp/'runs').rglob(f'{row}-0/state'))
    monkeypatch.setattr(module, 'run_row', kept); compute()
    (one,),(two,) = [[*(tmp/o).rglob('*.json')] for o in ('whole','results')]
    one,two = read_json(one),read_json(two)
    for o in (one,two): o['rows'][0].pop('train_seconds', None)
    assert one['rows']==two['rows'] and 0<rows[0].before<two['seconds'] and not rows[0].folder.exists()

@pytest.mark.parametrize('row', ['traditional_0','left_out','separability_term'])
def test_latent_spaces_are_compared(here, row):
    driver.main('stylegan_tables', seeds=1, rows=row, set='kimg=.05 oracle_kimg=.1 n=700')
    res = read_json(here[0]/'results'/'stylegan_tables'/'sprites-noisy-32'/f'{row}-0.json')
    assert {'spread','fd_oracle','ppl_z_full_oracle','ppl_w_end_oracle'} <= res['rows'][0].keys()
    assert ('pairs_left_out' in res['rows'][0])==(row=='left_out')

def test_what_is_left_out():
    from stylegan_tables import hold_out
    from semistyle.data.open import load_world
    w = hold_out(load_world('sprites', 32).space)
    assert set(w)=={0.,1.} and (w==0).mean()==1/6 # a third of the shapes at half of the sizes

def test_paths_past_what_is_left_out():
    "Three shapes and four sizes: which lie on either side; and a straight W, in which a path is as long as its ends are apart, beside a Z that is bent in the corner"
    import torch
    import stylegan_tables as t
    from semistyle.data.factors import FactorSpace
    space = FactorSpace(['shape','scale'], [3,4])
    codes = torch.from_numpy(space.to_codes(space.to_factors(range(12)))) # shape slowest
    a,b = t.either_side(codes, space);        assert (a.tolist(),b.tolist())==([8,9],[6,7])
    a,b = t.either_side(codes, space, False); assert (a.tolist(),b.tolist())==([0,1],[6,7])
    assert (t.hold_out(space)==0).nonzero()[0].tolist()==[10,11]
    class Bent(torch.nn.Module):
        "Codes are shares of a normal law; `high` is a hill over the corner, which only pictures there show"
        z_dim = 16
        def __init__(self, high): super().__init__(); self.high = high
        def mapping(self, z, c=None, truncation_psi=1.):
            u = torch.special.ndtr(z*(4/z.norm(dim=1, keepdim=True)))
            return torch.stack([u[:,0], u[:,1], self.high*(u[:,0]-.75).clamp(min=0)*(u[:,1]-.5).clamp(min=0)], 1)[:,None]
        def synthesis(self, ws, noise_mode='const'): return ws[:,:,None]
        def forward(self, z, c=None, noise_mode='const'): return self.synthesis(self.mapping(z))
    def square(x, y): return (x-y).square().sum((1,2,3))
    square.name = 'square'
    def lengths(g): return t.around(g, space, lambda img: img[:,0,0,:2], square, 3000, 0)
    flat,bent = lengths(Bent(0)),lengths(Bent(100))
    assert flat['pairs_left_out']>300 and flat['pairs_kept']>300
    # even codes of shapes in [3/4,1] and [1/4,3/4], of sizes in [0,1/2] and [1/2,1]: 3/8 and 1/2 apart, and their variances
    want = (3/8)**2+(1/4)**2/12+(1/2)**2/12 + (1/2)**2+2*(1/2)**2/12
    for k in ('left_out','kept'): assert abs(flat[f'ppl_w_around_{k}']-want)<.04
    assert bent['ppl_w_around_left_out']==flat['ppl_w_around_left_out'] # no end is in the corner
    assert bent['ppl_z_around_kept']==flat['ppl_z_around_kept'] and bent['ppl_z_around_left_out']>2*bent['ppl_z_around_kept']
    assert .8<flat['ppl_z_around_left_out']/flat['ppl_z_around_kept']<1.25
    assert t.around(Bent(0), space, lambda img: 0*img[:,0,0,:2], square, 100, 0)==dict(pairs_left_out=0., pairs_kept=0.)

@pytest.mark.parametrize('row,missing', [('eta_0.5',0.),('eta_2.5_known_75',.25)])
def test_forty_attributes(here, row, missing):
    "Files that are laid out as CelebA's, by the same preset; measured on heads that nobody saw"
    driver.main('semi_stylegan_attributes', seeds=1, rows=row,
                set='preset=robot-16 kimg=.08 n=60 heads=400 oracle_kimg=.1')
    res = read_json(here[0]/'results'/'semi_stylegan_attributes'/f'{row}-0.json')
    assert (here[0]/'results'/'semi_stylegan_attributes'/f'{row}-0.png').stat().st_size>1000
    assert len(res['attributes'])==len(res['attributes_made'])==len(res['common'])==40 and {'mig','l2'} <= res['oracle'].keys() and res['rows'][0]['missing']==missing and res['rows'][0]['l2_gen']>0
    folder = here[0]/'runs'/'experiments'/'semi_stylegan_attributes'/f'heads-400-0-{missing:g}'
    assert (' 0' in (folder/'list_attr_celeba.txt').read_text())==bool(missing)

@pytest.mark.parametrize('row', ['factor_vae','beta_vae_16','infogan_cr','info_stylegan_10'])
def test_rivals_without_labels(here, row):
    driver.main('semi_stylegan_rivals', seeds=1, rows=row, set='kimg=.07 n=3000 n_quality=200 kept=3 width=4')
    res = read_json(here[0]/'results'/'semi_stylegan_rivals'/'robot-32'/f'{row}-0.json')
    assert {'fvm','mig','fd_efficientnet_lite0','parameters'} <= res['rows'][0].keys() and len(res['codes'])==3
    assert (res['rows'][0]['parameters']>100_000)==('vae' not in row)

@pytest.mark.parametrize('row', ['full_pairs_r2','full_ema_short'])
def test_generators_are_compared(here, row):
    driver.main('stylegan2_generators', seeds=1, rows=row,
                set='until_kimg=.07 n_quality=200 n=20 samples=500 judge_batches=2')
    (res,) = read_json(here[0]/'results'/'stylegan2_generators'/'shapes-32-0.07kimg'/f'{row}-0.json')['rows']
    assert {'fd_efficientnet_lite0','precision_efficientnet_lite0','fd_oracle','precision_oracle','recall_oracle','spectrum_ratio',
            'ceiling_s_disen','ceiling_n_discov'} <= res.keys()
    kept = load_model(here[0]/'results'/'stylegan2_generators'/'shapes-32-0.07kimg'/f'{row}-0')
    assert kept.config['kimg']>=.07 and kept.generator.img_resolution==32 and 'discriminator' in kept.networks

def test_directions_are_composed(here):
    driver.main('contrafeat_composed', seeds=1, rows='left_out',
                set='kimg=.07 search_kimg=.05 samples=500 n=8 most=1 directions=6')
    lines = read_json(here[0]/'results'/'contrafeat_composed'/'shapes-shape-scale'/'left_out-0.json')['rows']
    assert [o['method'] for o in lines]==['contra-bi','contra-pt','ganspace','sefa']
    assert all(0<=o['drawn']<=1 and {'found','s_disen'} <= o.keys() for o in lines)

def test_composed_edits_of_a_toy_reach_what_was_held_out():
    "One direction moves the first attribute, another the second; pictures are the world's own"
    import torch
    from semistyle.data.open import load_world
    from semistyle.discover.navigator import Directions
    from semistyle.metrics.discovery import Attributes
    import contrafeat_composed as composed
    world = load_world('shapes', 16)
    names,(i,j) = world.space.names,(world.space.names.index(o) for o in ('shape','scale'))
    class Toy(torch.nn.Module):
        num_ws,w_dim,z_dim,c_dim,img_resolution,img_channels = 1,6,6,0,16,3
        def __init__(self): super().__init__(); self.register_buffer('w_avg', torch.zeros(6))
        def mapping(self, z, c=None, **_): return (z*0+.4)[:,None]
        def synthesis(self, ws, **_): self.codes = ws[:,0]; return composed.true_pictures(world, ws[:,0])
    g = Toy()
    class Reads(Attributes):
        def __call__(self, img): return g.codes.clamp(0, 1)
    v = torch.zeros(2, 1, 6); v[0,0,i] = v[1,0,j] = 1
    named = Directions(v, dict(num_ws=1, w_dim=6, hash=''), ['shape','scale'], torch.full([2], .2))
    changes = v[:,0].tolist()
    res,picture = composed.composed(g, named, changes, Reads(None, names), world, 'shape', 'scale', 4, 4, 0)
    assert res['found']==res['reached']==1 and res['reached_shape']==res['reached_scale']==0
    assert res['others']==res['error']==res['error_start']==0 and picture.shape==(4,5,3,16,16)
    codes = torch.tensor([[.5]*6, [1.]*6]); codes[0,i] = 1; codes[0,j] = 3/7
    assert composed.is_held_out(world.space, codes, 'shape', 'scale').tolist()==[False,True]

def test_a_relative_that_has_no_encoder(here):
    tmp,_ = here
    driver.main('semi_stylegan_relatives', seeds=1, rows='projection', set='preset=robot-16 kimg=.08 n=200')
    (file,) = (tmp/'results'/'semi_stylegan_relatives').rglob('*.json')
    res = read_json(file)['rows'][0]
    assert 'render_ratio' in res and 'mig' not in res

@pytest.mark.parametrize('table', ['semi_stylegan_table3','semi_stylegan_labels','semi_stylegan_departures',
                                   'stylegan2_generators'])
def test_every_row_has_settings_that_there_are(table):
    import importlib
    from semistyle.training.presets import get_preset,preset_terms
    module = importlib.import_module(table)
    for name,how in module.rows.items():
        _,changes = table3.settings_of(driver.Row(name, 0, how, module.settings, None, None, '', 1, 0.))
        assert how.keys() <= changes.keys() and preset_terms(get_preset(module.settings['preset'], **changes))
