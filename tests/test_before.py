"""What users made with version 0.0.1 still works: its shipped models draw the same pictures, its run folders go on.

`fixtures/shipped.npz` and `fixtures/runs.zip` were made by that version. Equal to the last bit where the processor computes as the
one that made them; a processor with other instructions may round otherwise."""
import zipfile
import numpy as np, pytest, torch
from safetensors.torch import load_file
from conftest import ROOT
from semistyle.models.checkpoint import load_model
from semistyle.runs.train import plan_run,train_run

FIXTURES = ROOT/'tests'/'fixtures'
PICTURES = np.load(FIXTURES/'shipped.npz')

@pytest.mark.parametrize('name', sorted(PICTURES))
def test_shipped_networks_answer_as_before(name):
    model,part = name.split('/')
    net,rng = load_model(model).networks[part],torch.Generator().manual_seed(0)
    with torch.no_grad():
        if part=='generator':
            z = torch.randn(1, net.z_dim, generator=rng)
            c = torch.rand(1, net.c_dim, generator=rng) if net.c_dim else None
            out = net(z, c, noise_mode='const')
        else:
            r = net.init_args['img_resolution']
            out = net(torch.rand(1, 3, r, r, generator=rng)*2-1)
            if not torch.is_tensor(out): out = torch.cat([o.reshape(1, -1) for o in out], 1)
    assert np.abs(out.numpy()-PICTURES[name]).max() < 1e-4

@pytest.mark.parametrize('name', ['semi','stylegan2','data'])
def test_a_run_of_before_goes_on(name, tmp_path):
    "Stopped at .2 of .4 thousand images by the version before, it ends as it would have ended there"
    with zipfile.ZipFile(FIXTURES/'runs.zip') as z: z.extractall(tmp_path)
    given = dict(world=str(tmp_path/'pics'), labels=str(tmp_path/'pics'/'labels.csv')) if name=='data' else {}
    run = plan_run(tmp_path/name, resume=True, **given)
    learn = train_run(tmp_path/name, run, progress=False)
    assert learn.kimg==pytest.approx(.4)
    for part in ('generator','discriminator'):
        ours,theirs = (load_file(tmp_path/o/f'{part}.safetensors') for o in (f'{name}/model',f'{name}-end'))
        assert ours.keys()==theirs.keys()
        gap = max((ours[k].float()-theirs[k].float()).abs().max().item() for k in ours)
        assert gap < .05, f'{part} ends {gap} away'
        if gap: print(f'{name} {part}: {gap:.1e} away')
