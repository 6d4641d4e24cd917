"The built site in a real Chromium: every page and link, search, maths, the dark mode, and a telephone's width."
import re
from urllib.parse import unquote,urldefrag
import pytest

@pytest.fixture
def pages(docs): return sorted(str(o) for p in docs.rglob('*.html') if (o := p.relative_to(docs)).parts[0]!='turn') # pages of sliders stand alone

def local_katex(docs):
    if not (docs/'site_libs'/'katex').exists(): pytest.skip('the docs were built without KaTeX: `make docs` where npm is installed')

def test_links(page, site, docs, pages):
    "From the front page one reaches every page; every link and fragment leads somewhere; nothing is asked of another machine"
    local_katex(docs)
    todo,links,anchors = ['index.html'],{},{}
    while todo:
        p = todo.pop()
        if p in anchors: continue
        page.goto(f'{site}/{p}')
        anchors[p] = set(page.eval_on_selector_all('[id],a[name]', 'es => es.map(e => e.id || e.name)')) | {''}
        for h in page.eval_on_selector_all('a[href]', 'es => es.map(e => e.href)'):
            assert h.startswith(('http://','https://')), f'{p}: a link to {h}'
            if not h.startswith(site+'/'): continue
            to,frag = urldefrag(h[len(site)+1:])
            links.setdefault((to or 'index.html', unquote(frag)), p)
            if to.endswith('.html'): todo.append(to)
    assert sorted(anchors)==pages
    dead = [f'{p}: {to}#{frag}' for (to,frag),p in links.items()
            if (frag not in anchors[to] if to in anchors else not (docs/to).is_file())]
    assert not dead
    assert not page.trouble

def test_pictures(page, site, docs, pages):
    "Every picture is there and is described in words; a page with its pictures is under 1 MB"
    for p in pages:
        page.goto(f'{site}/{p}')
        page.eval_on_selector_all('main img', "es => es.forEach(e => e.loading = 'eager')")
        bad = page.eval_on_selector_all('main img', """async es => { await Promise.all(es.map(e => e.decode().catch(() => 0)))
            return es.filter(e => !e.complete || !e.naturalWidth).map(e => e.src.slice(-80)) }""")
        assert not bad, f'{p}: {bad}'
        mute = page.eval_on_selector_all('main img', "es => es.filter(e => (e.getAttribute('alt') || '').trim().length < 15).map(e => e.src.slice(-80))")
        assert not mute, f'{p}: say in `#| fig-alt` what is seen in {mute}'
        srcs = set(page.eval_on_selector_all('main img', 'es => es.map(e => e.currentSrc)'))
        size = (docs/p).stat().st_size + sum((docs/o[len(site)+1:]).stat().st_size for o in srcs)
        assert size < 2**20, f'{p}: {size:,} bytes with its pictures'

# Printed text whose first line lies above the box that clips it
CUT = """es => es.filter(e => { const r = document.createRange(); r.selectNodeContents(e)
  let box = e; while (getComputedStyle(box).overflowX === 'visible') box = box.parentElement
  return r.getClientRects().length && [e, box, e.closest('.cell-output')].some(b => r.getClientRects()[0].top < b.getBoundingClientRect().top - .5) })
  .map(e => e.textContent.slice(0,60))"""

def test_outputs_are_whole(page, site, pages):
    "The first line of what a cell printed is not cut by the box that it scrolls in"
    n = 0
    for p in pages:
        page.goto(f'{site}/{p}')
        cut = page.eval_on_selector_all('main .cell-output > pre', CUT)
        assert not cut, f'{p}: {cut}'
        n += page.locator('main .cell-output > pre').count()
    assert n

# Cells of a table in which a number and its deviation stand on two lines
BROKEN = """es => es.filter(e => { const r = document.createRange(), t = [...e.childNodes].find(o => o.nodeType === 3 && o.data.includes('±'))
  if (!t) return false
  const i = t.data.indexOf('±'); r.setStart(t, Math.max(0, i-2)); r.setEnd(t, Math.min(t.length, i+3))
  return new Set([...r.getClientRects()].map(o => Math.round(o.top))).size > 1 }).map(e => e.textContent)"""

def test_sidebar(page, site, pages):
    "One way in is open, groups of the library fold, and wherever one is, its entry is in view"
    for p in pages:
        page.goto(f'{site}/{p}')
        page.wait_for_timeout(50)
        where = page.evaluate("""() => { const b = document.querySelector('#quarto-sidebar').getBoundingClientRect()
            return [...document.querySelectorAll('.sidebar-link.active')].map(e => { const r = e.getBoundingClientRect()
              return r.height > 0 && r.top >= b.top && r.bottom <= Math.min(b.bottom, innerHeight) }) }""")
        assert where==[True], f'{p}: {where}'
    page.goto(f'{site}/index.html')
    group = page.locator('.sidebar-section .sidebar-item-section').first
    assert not group.locator('ul').is_visible()
    group.locator('.sidebar-item-toggle').click()
    group.locator('ul').wait_for(state='visible')

def test_newcomer(page, site):
    "The first screen of the first page says how to install, and the sidebar what to read first"
    page.goto(f'{site}/index.html')
    install = page.locator('pre', has_text='pip install').first.bounding_box()
    assert install['y']+install['height'] < 900
    first = page.locator('.sidebar-item-section').first.locator('.sidebar-section a').all_inner_texts()
    assert [o.split()[0] for o in first[:4]] == ['Quickstart','Your','Discover','Edit']

def test_code_of_the_papers_is_folded(page, site, docs):
    "A paper's page shows results; its code opens by a click. Other pages show theirs"
    for p in sorted(docs.glob('papers/*.html')):
        page.goto(f'{site}/papers/{p.name}')
        code = page.locator('main pre.python')
        assert code.count() and not any(o.is_visible() for o in code.all()), p.name
    page.locator('main details > summary').first.click()
    assert code.first.is_visible()
    page.goto(f'{site}/tutorials/quickstart.html')
    assert page.locator('main pre.python').first.is_visible()

def test_search(page, site):
    "A function's name finds its definition, and Enter goes there"
    page.goto(f'{site}/index.html')
    page.fill('.smalldocs-search input', 'set_seed')
    page.wait_for_selector('.search-result')
    assert 'set_seed' in page.locator('.search-result').first.inner_text()
    page.keyboard.press('Enter')
    page.wait_for_url(re.compile(r'/core\.html'))
    assert page.locator('#set_seed').count()==1

def found(page, word):
    "Titles and places of what a search for `word` finds, best first"
    page.fill('.smalldocs-search input', '')
    page.fill('.smalldocs-search input', word)
    page.wait_for_selector('.search-result')
    page.wait_for_timeout(300)
    return page.eval_on_selector_all('.search-result', "es => es.map(e => [e.getAttribute('href').split('/').pop(), e.innerText])")

@pytest.mark.parametrize('scheme', ['light','dark'])
def test_search_is_read(page, site, scheme):
    "What a newcomer asks for is among the first answers, each holds the word, and can be read in both modes"
    page.goto(f'{site}/index.html')
    if scheme=='dark': page.locator('.quarto-color-scheme-toggle').first.click()
    for word,where in dict(install='index.html', conditional='semi.html', label='your_own_data.html', resume='commands.html').items():
        res = found(page, word)
        assert any(h.startswith(where) for h,_ in res[:5]), f'{word}: {[h for h,_ in res]}'
        assert all(word in o.lower() for _,o in res[:5]), f'{word}: {res[:5]}'
        page.keyboard.press('ArrowDown')
        assert page.evaluate(CONTRAST, '.search-result-title, .search-result-section, .search-result-text, .search-result mark') >= 4.5

def test_maths(page, site, docs, pages):
    "Formulas are set by KaTeX, without an error"
    local_katex(docs)
    n = 0
    for p in pages:
        page.goto(f'{site}/{p}')
        formulas = page.locator('main .math').count()
        if not formulas: continue
        page.wait_for_function("n => document.querySelectorAll('main .math .katex').length >= n", arg=formulas, timeout=5000)
        errors = page.locator('.katex-error').all_inner_texts()
        assert not errors, f'{p}: {errors}'
        n += formulas
    assert n

# The lowest contrast of text to what is behind it; elements of one kind are measured once
CONTRAST = """sel => {
  const rgb = s => s.match(/[\\d.]+/g).map(Number), seen = new Set()
  const lum = c => { const [r,g,b] = c.slice(0,3).map(v => (v/=255) <= .03928 ? v/12.92 : ((v+.055)/1.055)**2.4); return .2126*r+.7152*g+.0722*b }
  const back = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length<4 || c[3]>.5) return c } return [255,255,255] }
  const kind = e => [e.tagName, e.className, e.parentElement.tagName, e.parentElement.className].join()
  const first = e => e.offsetParent && !seen.has(kind(e)) && seen.add(kind(e))
  const ratio = e => { const [a,b] = [lum(rgb(getComputedStyle(e).color)), lum(back(e))].sort((x,y) => y-x); return (a+.05)/(b+.05) }
  return Math.min(...[...document.querySelectorAll(sel)].filter(first).map(ratio)) }"""
TEXT = 'main p, main h2, main h3, main a, main code, main td, main th, pre code span, .sidebar-link, #TOC .nav-link, .navbar .nav-link'

def background(page): return page.evaluate('getComputedStyle(document.body).backgroundColor')

def test_dark_mode(page, site, pages):
    "The switch turns a page dark and back, and stays so on the next; text is readable (WCAG AA, 4.5 to 1) in both modes"
    switch = page.locator('.quarto-color-scheme-toggle').first
    for i,p in enumerate(pages):
        page.goto(f'{site}/{p}')
        if i==0: light = before = background(page)
        assert background(page)==before, p
        assert page.evaluate(CONTRAST, TEXT) >= 4.5, f'{p} as it opens'
        switch.click()
        before = background(page)
        assert (before==light) == (i%2==1), p
        page.wait_for_timeout(100)  # the code's colours follow
        assert page.evaluate(CONTRAST, TEXT) >= 4.5, f'{p} after the switch'

def test_narrow(page, site, pages):
    "On a telephone nothing makes the page wider than the screen, and the menu opens"
    page.set_viewport_size(dict(width=400, height=800))
    scrolled = 0
    for p in pages:
        page.goto(f'{site}/{p}')
        page.wait_for_timeout(50)
        assert page.evaluate('document.documentElement.scrollWidth') <= 400, p
        assert not page.eval_on_selector_all('main td, main th', BROKEN), p
        loose = page.eval_on_selector_all('main table', "es => es.filter(e => !e.closest('.sd-table')).map(e => e.textContent.trim().slice(0,60))")
        assert not loose, f'{p}: a table that cannot scroll: {loose}'
        silent = page.eval_on_selector_all('main .sd-table', """es => es.filter(e => e.scrollWidth > e.clientWidth+1 &&
            !getComputedStyle(e, '::before').content.includes('scroll')).length""")
        assert not silent, f'{p}: a table scrolls and does not say so'
        scrolled += page.locator('main .sd-table.scrolls').count()
    assert scrolled
    def right(): return page.evaluate("document.querySelector('#quarto-sidebar').getBoundingClientRect().right")
    assert right()<=0  # the menu waits beside the screen
    page.locator('.quarto-btn-toggle').first.click()
    page.wait_for_function("() => document.querySelector('#quarto-sidebar').getBoundingClientRect().left === 0")

def test_the_first_page_can_be_turned(page, site, docs):
    "Where the site was built with onnxruntime-web, a click shows sliders that move the shipped generator's picture; nothing of it is loaded before"
    if not (docs/'turn').exists(): pytest.skip('the site was built without pages of sliders: `make docs` where there is npm')
    asked = []
    page.on('request', lambda r: asked.append(r.url))
    page.goto(f'{site}/index.html')
    assert not any('/turn/' in o for o in asked)
    page.click('details.turn > summary')
    frame = page.frame_locator('details.turn iframe')
    frame.locator('body[data-ready]').wait_for(timeout=90_000)
    def drawn(): return frame.locator('#picture').evaluate('c => c.toDataURL()')
    before,body = drawn(),frame.locator('body')
    n = int(body.get_attribute('data-drawn'))
    frame.get_by_label('wall color').press('End')
    frame.locator(f'body[data-drawn="{n+1}"]').wait_for(timeout=60_000)
    assert drawn()!=before
