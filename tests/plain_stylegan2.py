"""StyleGAN2 as plainly as can be, with the modules, names and attributes that public checkpoints have.

The tests save these networks in the public formats, source and all, and compare what an import draws with what they
draw. Nothing here is shared with the package: zeros are put between pixels one by one, and every image has kernels of
its own. The upper half has NVIDIA's layout, the lower half rosinality's.
"""
import numpy as np, torch, torch.nn.functional as F
from torch import nn

def outer(taps):
    "A filter in two directions whose sum is 1"
    f = torch.as_tensor(taps, dtype=torch.float32)
    return f[:,None]*f/f.sum()**2

def each(x, k): return F.conv2d(x, k.expand(x.shape[1], 1, -1, -1), groups=x.shape[1])

def resample(x, f, up=1, before=0, after=0):
    "Zeros between pixels, zeros around, convolution with the filter"
    n,c,h,w = x.shape
    wide = x.new_zeros(n, c, h*up, w*up)
    wide[:,:,::up,::up] = x
    return each(F.pad(wide, (before,after,before,after)), f.flip(0,1)*up**2)

def bigger(x, f): k = len(f); return resample(x, f, 2, (k+1)//2, (k-2)//2)

def conv_up(x, w, f):
    k,p = len(f),w.shape[-1]//2
    return F.conv2d(resample(x, f, 2, p+(k+1)//2, p+(k-2)//2), w.flip(2,3))

def conv_down(x, w, f):
    k,p = len(f),w.shape[-1]//2
    return F.conv2d(resample(x, f, 1, p+(k-1)//2, p+(k-2)//2), w)[:,:,::2,::2]

def styled(x, w, s, f=None, demodulate=True):
    "A kernel for every image"
    out = []
    for xi,si in zip(x, s):
        k = w*si[None,:,None,None]
        if demodulate: k = k/(k.pow(2).sum((1,2,3), keepdim=True)+1e-8).sqrt()
        out.append(conv_up(xi[None], k, f) if f is not None else F.conv2d(xi[None], k, padding=w.shape[-1]//2))
    return torch.cat(out)

def act(x, gain=1., clamp=None):
    x = F.leaky_relu(x, 0.2)*2**0.5*gain
    return x if clamp is None else x.clamp(-clamp*gain, clamp*gain)

def unit(x): return x/(x.pow(2).mean(1, keepdim=True)+1e-8).sqrt()

def group_std(x, group):
    g = min(group, len(x)) if group else len(x)
    y = x.reshape(g, -1, *x.shape[1:])
    s = (y.var(0, unbiased=False)+1e-8).sqrt().mean((1,2,3))
    return torch.cat([x, s.repeat(g)[:,None,None,None].expand(-1, 1, *x.shape[2:])], 1)

# ---- NVIDIA's layout
class FullyConnectedLayer(nn.Module):
    def __init__(self, i, o, activation='linear', lr_multiplier=1., bias_init=0.):
        super().__init__()
        self.in_features,self.out_features,self.activation = i,o,activation
        self.weight_gain,self.bias_gain = lr_multiplier/np.sqrt(i),lr_multiplier
        self.weight = nn.Parameter(torch.randn(o, i)/lr_multiplier)
        self.bias = nn.Parameter((torch.randn(o)*.3+bias_init)/lr_multiplier)
    def forward(self, x):
        y = x@(self.weight*self.weight_gain).T + self.bias*self.bias_gain
        return y if self.activation=='linear' else act(y)

class Conv2dLayer(nn.Module):
    def __init__(self, i, o, kernel_size, bias=True, activation='linear', up=1, down=1, resample_filter=(1,3,3,1),
                 conv_clamp=None):
        super().__init__()
        self.activation,self.up,self.down,self.conv_clamp = activation,up,down,conv_clamp
        self.weight_gain,self.act_gain,self.padding = 1/np.sqrt(i*kernel_size**2),np.sqrt(2),kernel_size//2
        self.register_buffer('resample_filter', outer(resample_filter))
        self.weight = nn.Parameter(torch.randn(o, i, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.randn(o)*.3) if bias else None
    def forward(self, x, gain=1.):
        w,f = self.weight*self.weight_gain,self.resample_filter
        x = conv_up(x, w, f) if self.up==2 else conv_down(x, w, f) if self.down==2 else F.conv2d(x, w, padding=self.padding)
        if self.bias is not None: x = x+self.bias[:,None,None]
        return x*gain if self.activation=='linear' else act(x, gain, self.conv_clamp)

class MappingNetwork(nn.Module):
    def __init__(self, z_dim, c_dim, w_dim, num_ws, num_layers=8, lr_multiplier=.01, activation='lrelu',
                 w_avg_beta=.998):
        super().__init__()
        self.z_dim,self.c_dim,self.w_dim,self.num_ws,self.num_layers,self.w_avg_beta = z_dim,c_dim,w_dim,num_ws,num_layers,w_avg_beta
        if c_dim: self.embed = FullyConnectedLayer(c_dim, w_dim)
        for k in range(num_layers):
            fc = FullyConnectedLayer(w_dim if k else z_dim+w_dim*bool(c_dim), w_dim, activation, lr_multiplier)
            setattr(self, f'fc{k}', fc)
        if num_ws: self.register_buffer('w_avg', torch.randn(w_dim)*.1)
    def forward(self, z, c=None, psi=1., cutoff=None):
        parts = ([unit(z)] if self.z_dim else []) + ([unit(self.embed(c))] if self.c_dim else [])
        x = torch.cat(parts, 1)
        for k in range(self.num_layers): x = getattr(self, f'fc{k}')(x)
        if not self.num_ws: return x
        ws = x[:,None].repeat(1, self.num_ws, 1)
        ws[:,:cutoff] = self.w_avg + psi*(ws[:,:cutoff]-self.w_avg)
        return ws

class SynthesisLayer(nn.Module):
    def __init__(self, i, o, w_dim, resolution, up=1, use_noise=True, resample_filter=(1,3,3,1), conv_clamp=None,
                 activation='lrelu'):
        super().__init__()
        self.resolution,self.up,self.use_noise,self.activation,self.conv_clamp = resolution,up,use_noise,activation,conv_clamp
        self.padding,self.act_gain = 1,np.sqrt(2)
        self.register_buffer('resample_filter', outer(resample_filter))
        self.affine = FullyConnectedLayer(w_dim, i, bias_init=1.)
        self.weight = nn.Parameter(torch.randn(o, i, 3, 3))
        if use_noise:
            self.register_buffer('noise_const', torch.randn(resolution, resolution))
            self.noise_strength = nn.Parameter(torch.randn([])*.3)
        self.bias = nn.Parameter(torch.randn(o)*.3)
    def forward(self, x, w, gain=1.):
        x = styled(x, self.weight, self.affine(w), self.resample_filter if self.up==2 else None)
        if self.use_noise: x = x+self.noise_const*self.noise_strength
        return act(x+self.bias[:,None,None], gain, self.conv_clamp)

class ToRGBLayer(nn.Module):
    def __init__(self, i, o, w_dim, conv_clamp=None):
        super().__init__()
        self.conv_clamp,self.weight_gain = conv_clamp,1/np.sqrt(i)
        self.affine = FullyConnectedLayer(w_dim, i, bias_init=1.)
        self.weight,self.bias = nn.Parameter(torch.randn(o, i, 1, 1)),nn.Parameter(torch.randn(o)*.3)
    def forward(self, x, w):
        y = styled(x, self.weight, self.affine(w)*self.weight_gain, demodulate=False)+self.bias[:,None,None]
        return y if self.conv_clamp is None else y.clamp(-self.conv_clamp, self.conv_clamp)

class SynthesisBlock(nn.Module):
    def __init__(self, i, o, w_dim, resolution, img_channels, is_last, architecture='skip', resample_filter=(1,3,3,1),
                 conv_clamp=None, **kw):
        super().__init__()
        self.in_channels,self.resolution,self.is_last,self.architecture = i,resolution,is_last,architecture
        self.use_fp16,self.channels_last,self.fused_modconv_default = resolution>8,False,'inference_only'
        self.register_buffer('resample_filter', outer(resample_filter))
        self.num_conv,self.num_torgb = 1+bool(i),int(is_last or architecture=='skip')
        if not i: self.const = nn.Parameter(torch.randn(o, resolution, resolution))
        else:
            self.conv0 = SynthesisLayer(i, o, w_dim, resolution, 2, resample_filter=resample_filter,
                                        conv_clamp=conv_clamp, **kw)
        self.conv1 = SynthesisLayer(o, o, w_dim, resolution, conv_clamp=conv_clamp, **kw)
        if self.num_torgb: self.torgb = ToRGBLayer(o, img_channels, w_dim, conv_clamp)
        if i and architecture=='resnet':
            self.skip = Conv2dLayer(i, o, 1, bias=False, up=2, resample_filter=resample_filter)
    def forward(self, x, img, ws):
        ws = iter(ws.unbind(1))
        if not self.in_channels: x = self.conv1(x, next(ws))
        elif self.architecture=='resnet':
            x = self.skip(x, .5**.5) + self.conv1(self.conv0(x, next(ws)), next(ws), .5**.5)
        else: x = self.conv1(self.conv0(x, next(ws)), next(ws))
        if img is not None: img = bigger(img, self.resample_filter)
        if not self.num_torgb: return x,img
        y = self.torgb(x, next(ws))
        return x,y if img is None else img+y

class SynthesisNetwork(nn.Module):
    def __init__(self, w_dim, img_resolution, img_channels, channel_base=32768, channel_max=512, num_fp16_res=0, **kw):
        super().__init__()
        self.w_dim,self.img_resolution,self.img_channels,self.num_ws = w_dim,img_resolution,img_channels,0
        self.block_resolutions = [2**k for k in range(2, img_resolution.bit_length())]
        ch = {r:min(channel_base//r, channel_max) for r in self.block_resolutions}
        for r in self.block_resolutions:
            b = SynthesisBlock(ch[r//2] if r>4 else 0, ch[r], w_dim, r, img_channels, r==img_resolution, **kw)
            setattr(self, f'b{r}', b)
            self.num_ws += b.num_conv + (b.num_torgb if b.is_last else 0)
    def forward(self, ws):
        x,img,k = None,None,0
        for r in self.block_resolutions:
            b = getattr(self, f'b{r}')
            if r==4: x = b.const[None].repeat(len(ws), 1, 1, 1)
            x,img = b(x, img, ws[:,k:k+b.num_conv+b.num_torgb])
            k += b.num_conv
        return img

class Generator(nn.Module):
    def __init__(self, z_dim, c_dim, w_dim, img_resolution, img_channels, mapping_kwargs={}, **synthesis_kwargs):
        super().__init__()
        self.z_dim,self.c_dim,self.w_dim,self.img_resolution,self.img_channels = z_dim,c_dim,w_dim,img_resolution,img_channels
        self.synthesis = SynthesisNetwork(w_dim, img_resolution, img_channels, **synthesis_kwargs)
        self.num_ws = self.synthesis.num_ws
        self.mapping = MappingNetwork(z_dim, c_dim, w_dim, self.num_ws, **mapping_kwargs)
    def forward(self, z, c=None, psi=1., cutoff=None): return self.synthesis(self.mapping(z, c, psi, cutoff))

class MinibatchStdLayer(nn.Module):
    def __init__(self, group_size, num_channels=1):
        super().__init__()
        self.group_size,self.num_channels = group_size,num_channels
    def forward(self, x): return group_std(x, self.group_size)

class DiscriminatorBlock(nn.Module):
    def __init__(self, i, o, resolution, img_channels, first, architecture='resnet', resample_filter=(1,3,3,1),
                 conv_clamp=None):
        super().__init__()
        kw = dict(activation='lrelu', conv_clamp=conv_clamp)
        self.resolution,self.architecture,self.num_layers = resolution,architecture,3+first
        if first: self.fromrgb = Conv2dLayer(img_channels, i, 1, **kw)
        self.conv0,self.conv1 = Conv2dLayer(i, i, 3, **kw),Conv2dLayer(i, o, 3, down=2,
                                                                       resample_filter=resample_filter, **kw)
        if architecture=='resnet': self.skip = Conv2dLayer(i, o, 1, bias=False, down=2, resample_filter=resample_filter)
    def forward(self, x):
        if hasattr(self, 'fromrgb'): x = self.fromrgb(x)
        # of 'skip' not all: its pictures are not added here
        if self.architecture!='resnet': return self.conv1(self.conv0(x))
        return self.skip(x, .5**.5) + self.conv1(self.conv0(x), .5**.5)

class DiscriminatorEpilogue(nn.Module):
    def __init__(self, i, cmap_dim, architecture='resnet', mbstd_group_size=4, conv_clamp=None):
        super().__init__()
        self.in_channels,self.cmap_dim,self.architecture = i,cmap_dim,architecture
        self.mbstd = MinibatchStdLayer(mbstd_group_size)
        self.conv = Conv2dLayer(i+1, i, 3, activation='lrelu', conv_clamp=conv_clamp)
        self.fc,self.out = FullyConnectedLayer(16*i, i, 'lrelu'),FullyConnectedLayer(i, cmap_dim or 1)
    def forward(self, x, cmap):
        y = self.out(self.fc(self.conv(self.mbstd(x)).flatten(1)))
        return y[:,0] if not self.cmap_dim else (y*cmap).sum(1)/self.cmap_dim**.5

class Discriminator(nn.Module):
    def __init__(self, c_dim, img_resolution, img_channels, channel_base=32768, channel_max=512, conv_clamp=None,
                 resample_filter=(1,3,3,1), architecture='resnet', group=4, mapping_kwargs={}):
        super().__init__()
        self.c_dim,self.img_resolution,self.img_channels = c_dim,img_resolution,img_channels
        self.block_resolutions = [2**k for k in range(img_resolution.bit_length()-1, 2, -1)]
        ch = {r:min(channel_base//r, channel_max) for r in [*self.block_resolutions,4]}
        for r in self.block_resolutions:
            setattr(self, f'b{r}', DiscriminatorBlock(ch[r], ch[r//2], r, img_channels, r==img_resolution, architecture,
                                                      resample_filter, conv_clamp))
        if c_dim: self.mapping = MappingNetwork(0, c_dim, ch[4], None, **mapping_kwargs)
        self.b4 = DiscriminatorEpilogue(ch[4], ch[4] if c_dim else 0, architecture, group, conv_clamp)
    def forward(self, img, c=None):
        for r in self.block_resolutions: img = getattr(self, f'b{r}')(img)
        return self.b4(img, self.mapping(None, c) if self.c_dim else None)

# ---- rosinality's layout
class Bag(nn.Module):
    "A module that holds parameters and modules by any name"
    def __init__(self, **kw):
        super().__init__()
        for k,v in kw.items():
            if isinstance(v, nn.Module): self.add_module(k, v)
            elif isinstance(v, nn.Parameter): self.register_parameter(k, v)
            else: self.register_buffer(k, v)

def par(*shape, scale=1., shift=0.): return nn.Parameter(torch.randn(*shape)*scale+shift)
def lin(i, o, shift=0., lr=1.): return Bag(weight=par(o, i, scale=1/lr), bias=par(o, scale=.3/lr, shift=shift/lr))
def read(l, x, lr=1.): return x@(l.weight*lr/l.weight.shape[1]**.5).T + l.bias*lr

def mod_conv(i, o, k, w_dim, taps=None):
    more = {} if taps is None else dict(blur=Bag(kernel=outer(taps)*4))
    return Bag(weight=par(1, o, i, k, k), modulation=lin(w_dim, i, 1.), **more)

class RosinalityGenerator(nn.Module):
    def __init__(self, size, style_dim, n_mlp, channels, taps=(1,3,3,1)):
        super().__init__()
        ch = channels
        self.style = nn.Sequential(nn.Identity(), *(lin(style_dim, style_dim, lr=.01) for _ in range(n_mlp)))
        self.input = Bag(input=par(1, ch[0], 4, 4))
        def conv(i, o, taps=None):
            return Bag(conv=mod_conv(i, o, 3, style_dim, taps), noise=Bag(weight=par(1, scale=.3)),
                       activate=Bag(bias=par(o, scale=.3)))
        def rgb(i, **kw): return Bag(conv=mod_conv(i, 3, 1, style_dim), bias=par(1, 3, 1, 1, scale=.3), **kw)
        self.conv1,self.to_rgb1 = conv(ch[0], ch[0]),rgb(ch[0])
        self.convs,self.to_rgbs = nn.ModuleList(),nn.ModuleList()
        self.noises = Bag(noise_0=torch.randn(1,1,4,4))
        for k,(i,o) in enumerate(zip(ch, ch[1:])):
            self.convs += [conv(i, o, taps), conv(o, o)]
            self.to_rgbs.append(rgb(o, upsample=Bag(kernel=outer(taps)*4)))
            for j in (1,2): self.noises.register_buffer(f'noise_{2*k+j}', torch.randn(1, 1, 8*2**k, 8*2**k))
    def one(self, m, x, w, k):
        f = m.conv.blur.kernel/4 if hasattr(m.conv, 'blur') else None
        wt = m.conv.weight[0]/np.sqrt(m.conv.weight[0,0].numel())
        y = styled(x, wt, read(m.conv.modulation, w), f) + m.noise.weight*getattr(self.noises, f'noise_{k}')
        return act(y+m.activate.bias[:,None,None])
    def rgb(self, m, x, w):
        return styled(x, m.conv.weight[0]/m.conv.weight.shape[2]**.5, read(m.conv.modulation, w),
                      demodulate=False) + m.bias
    def mapping(self, z):
        x = unit(z)
        for l in self.style[1:]: x = act(read(l, x, .01))
        return x
    def synthesis(self, ws):
        x = self.one(self.conv1, self.input.input.repeat(len(ws), 1, 1, 1), ws[:,0], 0)
        img = self.rgb(self.to_rgb1, x, ws[:,1])
        for k,m in enumerate(self.to_rgbs):
            for j in (1,2): x = self.one(self.convs[2*k+j-1], x, ws[:,2*k+j], 2*k+j)
            img = bigger(img, m.upsample.kernel/4) + self.rgb(m, x, ws[:,2*k+3])
        return img

class RosinalityDiscriminator(nn.Module):
    def __init__(self, channels, taps=(1,3,3,1)):
        super().__init__()
        ch = channels[::-1]
        def conv(i, o, k=3): return nn.Sequential(Bag(weight=par(o, i, k, k)), Bag(bias=par(o, scale=.3)))
        def down(i, o, k, *more): return nn.Sequential(Bag(kernel=outer(taps)), Bag(weight=par(o, i, k, k)), *more)
        self.convs = nn.Sequential(conv(3, ch[0], 1),
                                   *(Bag(conv1=conv(i, i), conv2=down(i, o, 3, Bag(bias=par(o, scale=.3))),
                                         skip=down(i, o, 1))
                                                        for i,o in zip(ch, ch[1:])))
        self.final_conv = conv(ch[-1]+1, ch[-1])
        self.final_linear = nn.Sequential(lin(16*ch[-1], ch[-1]), lin(ch[-1], 1))
    def forward(self, x):
        def w(m): return m.weight/m.weight[0].numel()**.5
        def conv(m, x): return act(F.conv2d(x, w(m[0]), padding=m[0].weight.shape[-1]//2) + m[1].bias[:,None,None])
        x = conv(self.convs[0], x)
        for b in self.convs[1:]:
            y = act(conv_down(conv(b.conv1, x), w(b.conv2[1]), b.conv2[0].kernel) + b.conv2[2].bias[:,None,None])
            x = (y + conv_down(x, w(b.skip[1]), b.skip[0].kernel))/2**.5
        x = conv(self.final_conv, group_std(x, 4)).flatten(1)
        return read(self.final_linear[1], act(read(self.final_linear[0], x)))[:,0]
