"Sliders in a real JupyterLab, in a real Chromium: the picture follows keyboard and mouse, and an edit can be kept."
import json
import pytest
from semistyle.discover.edits import load_edit
from test_quickstart import FAILED,READY,jupyterlab

CELLS = ["""from semistyle.discover.baselines import find_directions
from semistyle.models.checkpoint import load_model
from semistyle.widgets import DirectionSliders
g = load_model('shapes-stylegan2-32').generator
found = find_directions(g, None, 'ganspace', 2, subspace=2000, progress=False).directions
panel = DirectionSliders(g, found, n=1)
panel""",
         "panel.save('mine'); print('kept', panel.edit)"]
BYTES = """async () => { const e = document.querySelector('img.widget-image')
                      if (!e || !e.src) return 0
                      return Array.from(new Uint8Array(await (await fetch(e.src)).arrayBuffer())).join() }"""

def notebook(path):
    "Two cells: a panel, and what keeps it"
    cells = [dict(cell_type='code', id=f'c{i}', source=o, metadata={}, outputs=[], execution_count=None)
             for i,o in enumerate(CELLS)]
    path.write_text(json.dumps(dict(cells=cells, metadata=dict(kernelspec=dict(name='python3', display_name='python3')),
                                    nbformat=4, nbformat_minor=5)))

def changed(page, was):
    "The picture once it is another one"
    for _ in range(120):
        now = page.evaluate(BYTES)
        if now and now!=was: return now
        page.wait_for_timeout(250)
    pytest.fail('the picture did not change')

def test_sliders(page, tmp_path):
    "A key moves a slider, a click moves another, reset brings the first picture back, and the next cell keeps the edit"
    folder,home = tmp_path/'work',tmp_path/'home'
    folder.mkdir(); home.mkdir(); notebook(folder/'sliders.ipynb')
    with jupyterlab(folder, home) as url:
        page.goto(f'{url}/lab/tree/sliders.ipynb?reset', wait_until='domcontentloaded')
        page.wait_for_selector('.jp-Notebook .jp-CodeCell', timeout=90_000)
        page.wait_for_function(READY, timeout=90_000)
        page.click('.jp-Notebook .jp-CodeCell >> nth=0')
        page.keyboard.press('Control+Enter')
        page.wait_for_selector('.widget-slider .noUi-handle', timeout=90_000)
        page.wait_for_selector('img.widget-image', timeout=30_000)
        first = changed(page, 0)
        page.locator('.noUi-handle').nth(0).focus()
        for _ in range(4): page.keyboard.press('ArrowRight')
        turned = changed(page, first)
        page.wait_for_timeout(1000)
        turned = page.evaluate(BYTES)
        base = page.locator('.noUi-base').nth(1)
        box = base.bounding_box()
        base.click(position=dict(x=box['width']*.8, y=box['height']/2))
        changed(page, turned)
        page.click('.jp-Notebook .jp-CodeCell >> nth=1')
        page.keyboard.press('Control+Enter')
        page.wait_for_selector('.jp-OutputArea-output:has-text("kept Edit(")', timeout=30_000)
        assert not page.locator(FAILED).count()
        kept = load_edit(folder/'mine')
        page.click('button:has-text("reset")')
        for _ in range(60):
            if page.evaluate(BYTES)==first: break
            page.wait_for_timeout(250)
        assert page.evaluate(BYTES)==first
        assert not page.trouble
    moves = {o['name']:o['amount'] for o in kept.moves}
    assert moves['direction 0']>0 and moves['direction 1']>0, moves
