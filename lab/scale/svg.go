package main

import (
	"encoding/xml"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A plot is one figure with lines over logarithmic axes, as a picture that follows the reader's choice of light or dark.
type plot struct {
	title, x, y string
	lines       []line
}

// A line is one series; points with a value that is not positive are left out.
type line struct {
	name   string
	points [][2]float64
}

// The picture, in pixels: the whole, and the room around the axes.
const (
	width, height            = 640, 360
	left, right, top, bottom = 64, 150, 44, 48
)

// Each line has a colour that can be told apart in both modes, also by those who see few, and a form of its marks besides.
const style = `<style>
svg{background:#fff;font:12px system-ui,sans-serif}text{fill:#333}.t{font-size:15px;font-weight:600}
.g{stroke:#ddd;stroke-width:1}.l{fill:none;stroke-width:2}
.c0{stroke:#0060b0;color:#0060b0}.c1{stroke:#b85000;color:#b85000}.c2{stroke:#7a3fa0;color:#7a3fa0}.c3{stroke:#606060;color:#606060}
.m{fill:currentColor;stroke:none}.n{fill:currentColor;stroke:none}
@media(prefers-color-scheme:dark){svg{background:#0d1117}text{fill:#d0d7de}.g{stroke:#30363d}
.c0{stroke:#5cb0ff;color:#5cb0ff}.c1{stroke:#ffa657;color:#ffa657}.c2{stroke:#d2a8ff;color:#d2a8ff}.c3{stroke:#9a9a9a;color:#9a9a9a}
.m,.n{fill:currentColor}}
</style>`

// An axis covers whole decades.
type axis struct{ low, high float64 } // exponents of ten

func axisOf(values []float64) axis {
	low, high := math.Floor(math.Log10(slices.Min(values))), math.Ceil(math.Log10(slices.Max(values)))
	return axis{low, max(high, low+1)}
}

// at says where a value lies between the ends, 0 to 1.
func (a axis) at(v float64) float64 { return (math.Log10(v) - a.low) / (a.high - a.low) }

// svg returns the picture; false where there is nothing to show.
func (p plot) svg() (string, bool) {
	var xs, ys []float64
	for i := range p.lines {
		l := &p.lines[i]
		l.points = slices.DeleteFunc(slices.Clone(l.points), func(pt [2]float64) bool { return pt[0] <= 0 || pt[1] <= 0 })
		for _, pt := range l.points {
			xs, ys = append(xs, pt[0]), append(ys, pt[1])
		}
	}
	if len(xs) == 0 {
		return "", false
	}
	x, y := axisOf(xs), axisOf(ys)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label=%q>`+"\n%s\n",
		width, height, escape(p.title), style)
	fmt.Fprintf(&b, `<text class="t" x="%d" y="24">%s</text>`+"\n", left, escape(p.title))
	grid(&b, x, y)
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", (left+width-right)/2, height-10, escape(p.x))
	fmt.Fprintf(&b, `<text transform="translate(14 %d) rotate(-90)" text-anchor="middle">%s</text>`+"\n", (top+height-bottom)/2, escape(p.y))
	for i, l := range p.lines {
		l.draw(&b, i, x, y)
	}
	p.legend(&b)
	b.WriteString("</svg>\n")
	return b.String(), true
}

func across(x axis, v float64) float64 { return left + x.at(v)*(width-left-right) }
func down(y axis, v float64) float64   { return height - bottom - y.at(v)*(height-top-bottom) }

// grid draws a line and a label for each decade.
func grid(b *strings.Builder, x, y axis) {
	for e := x.low; e <= x.high; e++ {
		at := across(x, math.Pow(10, e))
		fmt.Fprintf(b, `<path class="g" d="M%.1f %dV%d"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n",
			at, top, height-bottom, at, height-bottom+16, decade(e))
	}
	for e := y.low; e <= y.high; e++ {
		at := down(y, math.Pow(10, e))
		fmt.Fprintf(b, `<path class="g" d="M%d %.1fH%d"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			left, at, width-right, left-6, at+4, decade(e))
	}
}

func decade(e float64) string { return strconv.FormatFloat(math.Pow(10, e), 'f', max(0, int(-e)), 64) }

func (l line) draw(b *strings.Builder, i int, x, y axis) {
	if len(l.points) == 0 {
		return
	}
	var path strings.Builder
	for j, pt := range l.points {
		fmt.Fprintf(&path, "%s%.1f %.1f", map[bool]string{true: "M", false: "L"}[j == 0], across(x, pt[0]), down(y, pt[1]))
	}
	fmt.Fprintf(b, `<path class="l c%d" d="%s"/>`+"\n", i%4, &path)
	for _, pt := range l.points {
		mark(b, i, across(x, pt[0]), down(y, pt[1]))
	}
}

// mark draws a circle, a square, a triangle or a diamond.
func mark(b *strings.Builder, i int, x, y float64) {
	shape := [...]string{"m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0", "m-4-4h8v8h-8z", "m0-5l5 9h-10z", "m0-5l5 5l-5 5l-5-5z"}[i%4]
	fmt.Fprintf(b, `<g class="c%d"><path class="m" d="M%.1f %.1f%s"/></g>`+"\n", i%4, x, y, shape)
}

// legend names the lines that have points.
func (p plot) legend(b *strings.Builder) {
	at := top + 10
	for i, l := range p.lines {
		if len(l.points) == 0 {
			continue
		}
		mark(b, i, width-right+16, float64(at))
		fmt.Fprintf(b, `<text x="%d" y="%d">%s</text>`+"\n", width-right+28, at+4, escape(l.name))
		at += 20
	}
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder takes everything
	return b.String()
}
