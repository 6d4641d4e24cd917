"A generator that turns given pictures, from the command line: trained, measured, shown, and used on pictures that it has not seen."
import numpy as np,pytest
from PIL import Image
from commands import refuses,run
from semistyle.core import read_json
from semistyle.data.open import load_world
from semistyle.models.checkpoint import load_model

def ok(*args):
    r = run(*args)
    assert r.code==0, (args, r.err)
    return r.out

@pytest.fixture(scope='module')
def fine(tmp_path_factory):
    "A run of some seconds, and two photographs of things that it has not seen"
    home = tmp_path_factory.mktemp('fine')
    ok('semistyle_train', '--preset', 'fine-robot-16', '--out', home/'run', '--set', 'kimg=.2')
    novel = load_world('robot-novel', 16)
    for i,k in enumerate((5,100_000)): Image.fromarray(novel.images([k])[0]).save(home/f'photo{i}.png')
    return home

def test_what_it_is(fine):
    m = load_model(fine/'run'/'model')
    assert m.space.names==('lighting_intensity','lighting_y_dir','object_color','wall_color') and m.generator.c_dim==4
    assert 'Semi-StyleGAN-fine of robot' in m.card and '| g_args.fine_resolution | 32 | 8 |' in m.card and '| same_weight | 0.0 | 30.0 |' in m.card
    assert len(m.generator.synthesis.examples.flatten(1).unique(dim=0))==16

def test_measured_and_shown(fine):
    "Its numbers are those of pictures that it turns, on its own world and on another; strips and grids draw its examples"
    for world in ('robot','robot-novel','robot-novel-color'):
        out = fine/f'{world}.json'
        ok('semistyle_eval', fine/'run'/'model', '--world', world, '--metrics', 'encoder,turned', '--n', '200', '--out',
           out)
        got = read_json(out)['metrics']
        assert {'turn_ratio','kept','turn_object_color',
                'l2'}<=got.keys() and all(np.isfinite(o['mean']) for o in got.values())
    ok('semistyle_show', fine/'run'/'model', '--kind', 'grid', '--out', fine/'grid.png')
    ok('semistyle_show', fine/'run'/'model', '--out', fine/'turned.png')
    assert (fine/'grid.png').exists() and (fine/'turned.png').exists()

def test_unseen_photographs(fine):
    "Turned at once, again with another factor, and replayed by the folder alone"
    model,out = fine/'run'/'model',fine/'edit'
    ok('semistyle_edit', fine/'photo0.png', fine/'photo1.png', '--model', model, '--fine', '--factor', 'wall_color=1',
       '--out', out)
    first = read_json(out/'result.json')
    assert first['moves'][0]['name']=='wall_color' and sorted(o.name for o in (out/'edited').iterdir())==['photo0.png','photo1.png']
    was = np.asarray(Image.open(out/'edited'/'photo0.png'))
    ok('semistyle_edit', out, '--factor', 'wall_color=1')
    assert (np.asarray(Image.open(out/'edited'/'photo0.png'))==was).all()
    ok('semistyle_edit', out, '--factor', 'lighting_intensity=0', '--keep')
    assert [o['name'] for o in read_json(out/'result.json')['moves']]==['wall_color','lighting_intensity']
    both = np.asarray(Image.open(out/'edited'/'photo1.png')).astype(int)
    ok('semistyle_edit', fine/'photo1.png', '--model', model, '--fine', '--factor', 'wall_color=1', '--factor',
       'lighting_intensity=0', '--out', fine/'alone')
    assert np.abs(both-np.asarray(Image.open(fine/'alone'/'edited'/'photo1.png'))).max()<=1

@pytest.mark.parametrize('args,says', [
    (('--model','robot-64','--fine'), 'robot-64 should turn pictures, for --fine, makes them from '
                                      'nothing: give --project'),
    (('--model','MODEL','--project'), 'needs no projection: give --fine in place of --project'),
    (('--model','MODEL'), 'photographs need --project and a --model to project them with, or --fine '
                          'and one that turns pictures'),
    (('--model','MODEL','--fine','--factor','robot_x=1'), "factor should be one of ['lighting_intensity'")])
def test_refused(fine, args, says):
    refuses('semistyle_edit', fine/'photo0.png', *[str(fine/'run'/'model') if o=='MODEL' else o for o in args], '--out',
            fine/'no', says=[says])

def test_a_projection_discriminator_needs_labels(tmp_path):
    ok('semistyle_train', '--preset', 'projection-robot-16', '--out', tmp_path/'run', '--set', 'kimg=.08')
    m = load_model(tmp_path/'run'/'model')
    assert type(m.discriminator).__name__=='ProjectionDiscriminator' and 'StyleGAN with a projection discriminator of robot' in m.card and m.config['eta']==.005
    ok('semistyle_eval', tmp_path/'run'/'model', '--metrics', 'render_ratio', '--n', '100', '--out', tmp_path/'e.json')
    refuses('semistyle_train', '--preset', 'projection-robot-16', '--out', tmp_path/'none', '--set', 'eta=0',
            says=['eta should leave at least one label for a discriminator of codes'])
