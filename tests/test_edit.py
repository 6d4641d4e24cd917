"Photographs edited from the command line: any mode and shape, by name, again from the folder, stopped and resumed; and what is refused."
import json,signal,time
import numpy as np,pytest,torch
from PIL import Image
from commands import refuses,run,start
from semistyle.core import set_seed
from semistyle.data.factors import FactorSpace
from semistyle.discover.edits import load_edit
from semistyle.discover.navigator import Directions,load_directions,owner_of,save_directions
from semistyle.models.checkpoint import load_model,save_model
from semistyle.models.semi import semi_networks

SPACE = FactorSpace(['hue','wall size'], [4,3])
QUICK = ['--project', '--steps', 4]

@pytest.fixture(scope='module')
def made(tmp_path_factory):
    "A folder with two models of the same sizes, directions of the first, and photographs"
    tmp = tmp_path_factory.mktemp('edits')
    small = dict(channel_base=64, channel_max=8)
    for seed,name in enumerate(('model','other')):
        set_seed(seed)
        g,d = semi_networks(2, 16, g_args=dict(z_dim=4, w_dim=16, mapping_layers=1, **small), d_args=small)
        for k,p in g.named_parameters():
            if 'noise.strength' in k: p.data += .3
        save_model(tmp/name, dict(space=SPACE), generator=g, discriminator=d)
    g = load_model(tmp/'model').generator
    save_directions(tmp/'found'/'directions', Directions(torch.randn(2, g.num_ws, 16), owner_of(g), ['smile','a=b'],
                                                         [.5,2]))
    (tmp/'photos').mkdir()
    a = np.random.default_rng(0).integers(0, 256, (40,60,3), dtype=np.uint8)
    exif = Image.Exif(); exif[274] = 8
    for name,im in dict(rgb=Image.fromarray(a), grey=Image.fromarray(a[...,0]), cmyk=Image.fromarray(a).convert('CMYK'),
                        rgba=Image.fromarray(np.dstack([a, a[...,:1]])),
                        sixteen=Image.fromarray(a[...,0].astype(np.uint16)*257)).items():
        im.save(tmp/'photos'/(f'{name}.tif' if name=='cmyk' else f'{name}.png'))
    Image.fromarray(a).save(tmp/'photos'/'turned.png', exif=exif)
    return tmp

@pytest.fixture(scope='module')
def edited(made):
    r = run('semistyle_edit', made/'photos'/'rgb.png', '--model', made/'model', *QUICK, '--out', made/'e',
            '--direction', 'smile=2.5',
            '--direction', 'a=b=-1', '--factor', 'wall size=.3', '--directions', made/'found')
    assert r.code==0, r.err
    assert 'Edit(rgb: smile=2.5, a=b=-1, wall size=0.3)' in r.out and 'psnr' in r.out
    return made/'e'

def test_the_folder(edited, made):
    "Data, pictures and a record; the directions' vectors are in it, times their usual steps"
    assert {o.name for o in edited.iterdir()}=={'edit','edited','before_after.png','strips.png','result.json'}
    d = json.loads((edited/'result.json').read_text())
    assert d['command'].startswith('semistyle_edit') and [o['name'] for o in d['moves']]==['smile','a=b','wall size']
    assert {'psnr','distance','w_distance','layer_spread'} <= d['rows'][0].keys()
    e,found = load_edit(edited),load_directions(made/'found'/'directions')
    torch.testing.assert_close(e.moves[0]['variation'][0], .5*found.variations[0])
    assert len(e.noise)>0 and Image.open(edited/'strips.png').size[0]>100

def test_replayed_from_the_folder_alone(edited, tmp_path):
    "Nothing but the model is needed, and every bit is the same"
    r = run('semistyle_edit', edited, '--out', tmp_path/'again')
    assert r.code==0, r.err
    a,b = load_edit(edited),load_edit(tmp_path/'again')
    assert torch.equal(a.styles(), b.styles()) and (a.drawn==b.drawn).all() and (a.drawn!=a.photos).any()
    for o in ('edit/edit.safetensors','before_after.png','strips.png'):
        assert (edited/o).read_bytes()==(tmp_path/'again'/o).read_bytes()

def test_edited_again(edited, made, tmp_path):
    "New moves replace the earlier ones, or join them; a number is a direction, too; layers are heeded"
    r = run('semistyle_edit', edited, '--out', tmp_path/'a', '--direction', '1=.5', '--directions', made/'found',
            '--layers', '0,2-3')
    assert r.code==0 and 'Edit(rgb: a=b=0.5)' in r.out, r.err
    v = load_edit(tmp_path/'a').moves[0]['variation'][0].abs().sum(1)
    assert (v>0).tolist()==[True,False,True,True,False,False]
    r = run('semistyle_edit', tmp_path/'a', '--keep', '--factor', 'hue=1')
    assert r.code==0 and 'Edit(rgb: a=b=0.5, hue=1)' in r.out, r.err

def test_many_photographs(made, tmp_path):
    "A folder of grey, RGBA, CMYK, 16-bit and turned ones, and one more by name"
    r = run('semistyle_edit', made/'photos', made/'photos'/'rgb.png', '--model', made/'model', *QUICK, '--space', 'w',
            '--out', tmp_path/'e', '--factor', 'hue=0')
    assert r.code==0, r.err
    e = load_edit(tmp_path/'e')
    assert [*e.names[:2],*e.names[3:6]]==['cmyk','grey','rgba','sixteen','turned'] and e.photos.shape==(7,16,16,3)
    assert e.names[2].endswith('photos-rgb') and e.names[6]==f'{e.names[2]} 2'  # one file twice: told apart by a number
    assert (e.photos[2]==e.photos[6]).all() and abs(e.photos[1].astype(int)-e.photos[4]).max()<=1
    assert len(e.moves[0]['variation'])==7

@pytest.mark.parametrize('args,says', [
    (['photos/rgb.png'], ['photographs need --project']),
    (['photos/rgb.png','--project'], ['model should be given']),
    (['nowhere.png','--model','model',*QUICK], ['nowhere.png','is missing']),
    (['empty','--model','model',*QUICK], ['should hold images']),
    (['half.png','--model','model',*QUICK], ['half.png','can be read whole']),
    (['photos/rgb.png','--model','model',*QUICK,'--fit','stretch'], ["'crop' or 'pad'"]),
    (['tiny.png','--model','model',*QUICK], ["choose filter='lanczos'"]),
    (['photos/rgb.png','--model','model',*QUICK,'--direction','smile'], ['NAME=AMOUNT']),
    (['photos/rgb.png','--model','model',*QUICK,'--direction','smile=1'], ['directions of model should be given']),
    (['photos/rgb.png','--model','model',*QUICK,'--direction','frown=1','--directions','found'],
     ["one of ['smile', 'a=b'], got 'frown'"]),
    (['photos/rgb.png','--model','other',*QUICK,'--direction','smile=1','--directions','found'],
     ['same sizes and other weights']),
    (['photos/rgb.png','--model','model',*QUICK,'--factor','age=1'], ["one of ['hue', 'wall size'], got 'age'"]),
    (['photos/rgb.png','--model','model',*QUICK,'--factor','hue=7'], ['from 0 to 1, got 7']),
    (['photos/rgb.png','--model','model',*QUICK,'--layers','0-9'], ['layers should be some of 0 to 5']),
    (['photos/rgb.png','--model','model',*QUICK,'--space','z'], ["'w' or 'w+'"]),
    (['e','--project','--model','model'], ['leave --project out']),
    (['e','--model','other'], ['the generator', 'with hash=']),
    (['e','--model','robot-oracle-32'], ['should hold a generator']),
    (['photos/rgb.png','--model','bomb.pkl',*QUICK], ['is a pickle'])])
def test_refused(edited, made, args, says, monkeypatch):
    "One sentence and exit code 2; nothing is made of it, and what is there stays"
    monkeypatch.chdir(made)
    (made/'empty').mkdir(exist_ok=True); (made/'bomb.pkl').write_bytes(b'\x80\x04cposix\nsystem\n.')
    (made/'half.png').write_bytes((made/'photos'/'rgb.png').read_bytes()[:900])
    Image.fromarray(np.zeros((8,8,3), np.uint8)).save(made/'tiny.png')
    before = (edited/'edit'/'edit.json').read_bytes()
    refuses('semistyle_edit', *args, says=says)
    assert (edited/'edit'/'edit.json').read_bytes()==before and load_edit(edited)

@pytest.mark.parametrize('name', ['edit.json','edit.safetensors'])
def test_a_damaged_edit(edited, name):
    f = edited/'edit'/name; data = f.read_bytes()
    try:
        for new in (data[:-5], data[:99]+bytes([data[99]^4])+data[100:], b'PK\3\4'):
            f.write_bytes(new)
            refuses('semistyle_edit', edited, says=[name])
    finally: f.write_bytes(data)

@pytest.mark.slow
def test_stopped_and_resumed(made, tmp_path):
    "Ctrl-C ends with 130 and leaves an edit of the best so far; resumed, it ends with the same bits"
    args = [made/'photos'/'rgb.png', '--model', made/'model', '--project', '--steps', 600]
    assert run('semistyle_edit', *args, '--out', tmp_path/'whole').code==0
    p = start('semistyle_edit', *args, '--out', tmp_path/'parts')
    while not (tmp_path/'parts'/'projection').exists():
        assert p.poll() is None, p.communicate()[1]
        time.sleep(.02)
    p.send_signal(signal.SIGINT); _,err = p.communicate(timeout=60)
    assert p.returncode==130 and 'go on with --resume' in err, err
    assert load_edit(tmp_path/'parts').meta['projection']['interrupted']
    assert run('semistyle_edit', *args, '--out', tmp_path/'parts', '--resume').code==0
    a,b = load_edit(tmp_path/'whole'),load_edit(tmp_path/'parts')
    assert torch.equal(a.ws, b.ws) and (a.drawn==b.drawn).all() and not b.meta['projection']['interrupted']

@pytest.mark.parametrize('kind', ['npy','npz','pt'])
def test_latents_and_directions_of_others(made, tmp_path, kind):
    "Arrays from the command line: styles by name are moved by vectors by name"
    g = load_model(made/'model').generator
    ws,v = torch.randn(2, g.num_ws, 16),torch.randn(1, 16)
    if kind=='npy': np.save(tmp_path/'a.npy', ws.numpy()); np.save(tmp_path/'smile.npy', v.numpy())
    elif kind=='npz': np.savez(tmp_path/'a.npz', a=ws.double().numpy()); np.savez(tmp_path/'smile.npz', smile=v.numpy())
    else: torch.save(ws, tmp_path/'a.pt'); torch.save(dict(smile=v[0]), tmp_path/'smile.pt')
    r = run('semistyle_edit', '--latents', tmp_path/f'a.{kind}', '--model', made/'model', '--out', tmp_path/'e',
            '--directions', tmp_path/f'smile.{kind}', '--direction', 'smile=2')
    assert r.code==0 and 'Edit(a 0, a 1: smile=2)' in r.out, r.err
    e = load_edit(tmp_path/'e')
    torch.testing.assert_close(e.ws, ws); torch.testing.assert_close(e.styles(), ws+2*v)
    if kind=='npy':
        r = run('semistyle_show', made/'model', '--kind', 'grid', '--latents', tmp_path/'a.npy', '--out',
                tmp_path/'g.png')
        assert r.code==0 and (tmp_path/'g.png').exists(), r.err
        for what,out,more in (('mixing','m.png',[]), ('interpolation','i.gif',[])):
            r = run('semistyle_show', made/'model', '--kind', what, '--latents', tmp_path/'a.npy', '--out',
                    tmp_path/out)
            assert r.code==0, r.err
        np.save(tmp_path/'one.npy', ws[:1].numpy())
        r = run('semistyle_show', made/'model', '--latents', tmp_path/'one.npy', '--directions', tmp_path/'smile.npy',
                '--out', tmp_path/'t.png')
        assert r.code==0, r.err
        for latents,more,says in (('a.npy', ['--directions', tmp_path/'smile.npy'], 'should hold 1 for traversals'),
                                  ('one.npy', ['--kind','mixing'], 'should hold 2 to 24 for mixing'),
                                  ('a.npy', ['--kind','grid','--directions', tmp_path/'smile.npy'],
                                   'for the kind traversals, got grid')):
            refuses('semistyle_show', made/'model', '--latents', tmp_path/latents, *more, '--out', tmp_path/'no.png',
                    says=[says])

@pytest.mark.parametrize('args,says', [
    (['--latents','five.npy','--model','model'], ['five has shape [3, 5]', 'of these sizes']),
    (['--latents','whole.npy','--model','model'], ['whole holds int64', 'save it as float32']),
    (['--latents','gone.npy','--model','model'], ['gone.npy', 'is missing']),
    (['--latents','bomb.pt','--model','model'], ['calls posix.mkdir', 'nothing in it was run']),
    (['--latents','w.npy','photos','--model','model'], ['latents should be given alone']),
    (['--latents','w.npy','--model','model','--direction','five=1','--directions','five.npy'],
     ['should hold directions [16]', 'five has shape [3, 5]']),
    (['--model','model'], ['photographs, an earlier edit or --latents should be given'])])
def test_arrays_that_are_refused(made, args, says, monkeypatch):
    monkeypatch.chdir(made)
    class Call:
        def __reduce__(self): import os; return os.mkdir,('ran',)
    np.save('five.npy', np.zeros((3,5))); np.save('whole.npy', np.zeros((3,16), int))
    np.save('w.npy', np.zeros((3,16))); torch.save(Call(), 'bomb.pt')
    refuses('semistyle_edit', *args, '--out', 'never', says=says)
    assert not (made/'never').exists() and not (made/'ran').exists()

def test_what_is_said_of_photographs(made, tmp_path):
    "Twelve bits are looked at, or given; what is no picture is said; a table of labels beside is not read"
    (tmp_path/'scans').mkdir()
    for i in range(3): Image.fromarray(np.full((20,20), 1000+i*1300, np.uint16)).save(tmp_path/'scans'/f'{i}.png')
    (tmp_path/'scans'/'labels.csv').write_text('file,age\n0.png,-999\n1.png,20\n2.png,40\n')
    r = run('semistyle_edit', tmp_path/'scans', '--model', made/'model', *QUICK, '--out', tmp_path/'e')
    assert r.code==0 and '12 are used' in r.err and 'labels.csv' in r.err and '-999' not in r.err, r.err
    assert load_edit(tmp_path/'e').photos.max()==(3600*255+2047)//4095
    r = run('semistyle_edit', tmp_path/'scans', '--model', made/'model', *QUICK, '--out', tmp_path/'f', '--bits', 16)
    assert r.code==0 and load_edit(tmp_path/'f').photos.max()==3600//257, r.err

def test_names_that_a_disk_would_take_for_one(tmp_path):
    "No picture is written in the place of another, whatever the photographs are called"
    from semistyle.runs.edit import _file_names
    for names in (['a b','a_b','A B','a_b-2'], ['写真','照片','!','?'], ['x'*300, 'x'*301]):
        made = _file_names(names); assert len({o.lower() for o in made})==len(names)
        for o in made: (tmp_path/f'{o}.png').touch()
