"""Every option of every command, given what makes no sense, by its annotation: numbers that are none, infinite, too small or too large, and texts that
name nothing. Each is refused in one sentence that names the option or what came, before anything is made; only the name of what is to be written is free."""
import inspect,typing
import numpy as np,pytest,torch
import semistyle.cli as cli
from commands import NAMES,run

WHOLE,REAL = ['nan','inf','-5','1.5','x','','1'+'0'*20],['nan','inf','-inf','x','','1e400','-50']
TEXT = ['[<b>\n','no/where/at/all.npy','x'*300]
FREE = 'out','report'                                         # any name will do
LATER = {'train':{'log','eval'}, 'export':{'page'}}           # looked at where they are used

@pytest.fixture(scope='module')
def home(tmp_path_factory):
    "A tiny model, directions of it, a picture"
    from PIL import Image
    from semistyle.discover.navigator import Directions,owner_of,save_directions
    from semistyle.models.checkpoint import save_model
    from semistyle.models.stylegan2 import StyleGAN2Generator
    home = tmp_path_factory.mktemp('home')
    torch.manual_seed(0)
    g = StyleGAN2Generator(z_dim=4, w_dim=8, img_resolution=8, channel_base=64, channel_max=8)
    save_model(home/'tiny', {}, generator=g)
    save_directions(home/'found', Directions(torch.randn(2, g.num_ws, 8), owner_of(g)))
    Image.new('RGB', (8,8), (9,99,200)).save(home/'p.png')
    return home

def sound(name, home):
    "Arguments that a command takes"
    tiny = home/'tiny'
    return [*map(str, dict(
        demo=['--quick'], train=['--world','sprites','--preset','robot-16','--kimg',.016],
        eval=['robot-64','--n',100,'--seeds',1,'--metrics','mig,l2'],
        show=[tiny,'--kind','grid'], export=[tiny,'--pt2',home/'o.pt2'],
        discover=[tiny,'--method','sefa','--directions',3,'--samples',200,'--n',2,'--distinct',0],
        edit=[home/'p.png','--model',tiny,'--project','--steps',1],
        distill=[tiny,home/'found','--pairs',32,'--kimg',.016,'--n',8000], data=['info','sprites','--resolution',16],
        bench=['render','--world','sprites','--resolution',16,'--seconds',0], **{'import':[tiny,'--n',1]})[name])]

def calls(name, home):
    "(option, value, arguments) of calls that make no sense"
    base,places = sound(name, home),0
    for k,p in inspect.signature(getattr(cli, f'semistyle_{name}')).parameters.items():
        kind = typing.get_args(p.annotation)[0] if typing.get_origin(p.annotation) is typing.Annotated else getattr(p.annotation, 'type', p.annotation)
        placed = p.default is inspect._empty or k in ('paths',) or (name,k)==('distill','directions')
        places += placed
        if kind is bool or k in FREE or k in LATER.get(name, ()): continue
        for v in WHOLE if kind is int else REAL if kind is float else TEXT:
            if placed: yield k,v,[*base[:places-1], v, *base[places:]]
            else:
                at = base.index(f'--{k}') if f'--{k}' in base else len(base)
                yield k,v,[*base[:at], f'--{k}={v}', *base[at+2:]]

@pytest.mark.parametrize('name', [o.removeprefix('semistyle_') for o in NAMES])
def test_options(name, home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bad,n,before = [],0,{o:o.stat().st_mtime_ns for o in home.rglob('*')}
    for k,v,args in calls(name, home):
        n += 1
        r = run(f'semistyle_{name}', *args)
        said = [o for o in r.err.replace('\r', '\n').split('\n') if o.strip()]
        ours = said and said[-1].startswith(f'semistyle_{name}: ') and 'Traceback' not in r.err
        named = said and any(o in said[-1] for o in (k, k.replace('_', '-'), repr(v)[1:20], v.strip()[:20] or '...'))
        if r.code!=2 or not ours or not named: bad.append((k, v[:30], r.code, said[-1:] or r.out[-100:]))
        if files := [o for o in tmp_path.rglob('*') if o.is_file()]:
            bad.append((k, v[:30], 'has made', files)); [o.unlink() for o in files]
    print(f'{name}: {n} calls refused')
    assert not bad, '\n'.join(map(str, bad))
    assert {o:o.stat().st_mtime_ns for o in home.rglob('*')}==before
