"The built site in a real Chromium: every page and link, search, maths, the dark mode, and a telephone's width."
import re
from urllib.parse import unquote,urldefrag
import pytest

@pytest.fixture
def pages(docs): return sorted(str(p.relative_to(docs)) for p in docs.rglob('*.html'))

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

def test_pictures(page, site, pages):
    "Every picture is there"
    for p in pages:
        page.goto(f'{site}/{p}')
        bad = page.eval_on_selector_all('main img', 'es => es.filter(e => !e.complete || !e.naturalWidth).map(e => e.src.slice(0,80))')
        assert not bad, f'{p}: {bad}'

def test_search(page, site):
    "A function's name finds its definition, and Enter goes there"
    page.goto(f'{site}/index.html')
    page.fill('.smalldocs-search input', 'set_seed')
    page.wait_for_selector('.search-result')
    assert 'set_seed' in page.locator('.search-result').first.inner_text()
    page.keyboard.press('Enter')
    page.wait_for_url(re.compile(r'/core\.html'))
    assert page.locator('#set_seed').count()==1

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
    for p in pages:
        page.goto(f'{site}/{p}')
        assert page.evaluate('document.documentElement.scrollWidth') <= 400, p
    def right(): return page.evaluate("document.querySelector('#quarto-sidebar').getBoundingClientRect().right")
    assert right()<=0  # the menu waits beside the screen
    page.locator('.quarto-btn-toggle').first.click()
    page.wait_for_function("() => document.querySelector('#quarto-sidebar').getBoundingClientRect().left === 0")
