package real

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
)

//go:embed report.html
var pageText string

var pageTemplate = template.Must(template.New("report").Parse(pageText))

// The timeline's measures, in pixels.
const (
	perSecond = 24
	barHeight = 9
	laneGap   = 8
	topSpace  = 20
	leftSpace = 60
)

// A box is a rectangle of the timeline.
type box struct {
	X, Y, W, H float64
	Class      string
	Title      string
}

// A label stands at a lane or at the axis.
type label struct {
	X, Y float64
	Text string
}

// A page is what the template shows.
type page struct {
	Headline, Faults string
	Broken           []string
	Contenders       []string
	Rows             []row
	Width, Height    float64
	Boxes            []box
	Lanes, Axis      []label
}

// page writes the report as one HTML file that loads nothing.
func (r *Result) page(out io.Writer) error {
	r.history.mu.Lock()
	defer r.history.mu.Unlock()
	p := &page{Headline: r.headline(), Faults: r.faults(), Broken: r.Broken, Contenders: contenders, Rows: r.rows()}
	y := p.nodes(r, topSpace)
	y = p.etcd(r, y)
	for i, o := range r.Contenders {
		y = p.vacancies(r, o.Name, i, y)
	}
	p.Height, p.Width = y, leftSpace+seconds(r.window.End-r.window.Start)*perSecond+20
	for s := 0.0; s <= seconds(r.window.End-r.window.Start); s += 5 {
		p.Axis = append(p.Axis, label{leftSpace + s*perSecond, 12, fmt.Sprintf("%.0f s", s)})
	}
	return pageTemplate.Execute(out, p)
}

func seconds(ns int64) float64 { return float64(ns) / 1e9 }

// mark draws what happened in a span, as far as it is in the window.
func (p *page) mark(r *Result, s span, y, height float64, class, title string) {
	s = span{s.Start, until(s.End, r.window.End)}.common(r.window)
	if s.empty() {
		return
	}
	p.Boxes = append(p.Boxes, box{
		leftSpace + seconds(s.Start-r.window.Start)*perSecond, y, max(1, seconds(s.End-s.Start)*perSecond), height, class,
		fmt.Sprintf("%s: %.3f to %.3f s", title, seconds(s.Start-r.window.Start), seconds(s.End-r.window.Start)),
	})
}

// nodes draws a lane for each node: its faults behind, and its terms in a bar for each contender.
func (p *page) nodes(r *Result, y float64) float64 {
	height := float64(len(contenders) * barHeight)
	for i := range r.Options.Nodes {
		name := string(rune('a' + i))
		p.Lanes = append(p.Lanes, label{4, y + height/2 + 4, "node " + name})
		p.mark(r, r.window, y, height, "lane", "node "+name)
		for _, f := range r.history.incidents {
			if !f.Kind.atEtcd() && slices.Contains(f.Targets, name) {
				p.mark(r, f.span, y-2, height+4, "fault "+classOf(f.Kind), string(f.Kind))
			}
		}
		for k, c := range contenders {
			for _, t := range r.history.contests[c].terms {
				if t.Node == name {
					p.mark(r, t.span, y+float64(k*barHeight)+1, barHeight-2, fmt.Sprintf("term c%d", k), fmt.Sprintf("%s leads with token %d", c, t.Token))
				}
			}
		}
		y += height + laneGap
	}
	return y
}

// classOf is the style of a fault.
func classOf(k kind) string {
	switch k {
	case kill:
		return "kill"
	case pause:
		return "pause"
	default:
		return "net"
	}
}

// etcd draws a lane for etcd: when members were gone, and when it had no majority.
func (p *page) etcd(r *Result, y float64) float64 {
	const height = 2 * barHeight
	p.Lanes = append(p.Lanes, label{4, y + barHeight + 4, "etcd"})
	p.mark(r, r.window, y, height, "lane", "etcd")
	for _, f := range r.history.incidents {
		if f.Kind.atEtcd() {
			p.mark(r, f.span, y, height, "fault kill", string(f.Kind)+" "+strings.Join(f.Targets, ", "))
		}
	}
	for _, o := range r.history.outages {
		p.mark(r, o, y+barHeight-2, 4, "bad", "no majority")
	}
	for _, at := range r.history.losses {
		p.mark(r, span{at, at + 1e8}, y-2, height+4, "bad", "leader lost or changed")
	}
	return y + height + laneGap
}

// vacancies draws a lane for a contender: when nobody led, and when two did.
func (p *page) vacancies(r *Result, name string, k int, y float64) float64 {
	const height = barHeight
	p.Lanes = append(p.Lanes, label{4, y + 8, []string{"singleton", "etcd c.", "client-go"}[k]})
	c := r.history.contests[name]
	p.mark(r, r.window, y, height, fmt.Sprintf("term c%d", k), name+": somebody leads")
	for _, g := range r.history.vacancies(c, r.window) {
		p.mark(r, g, y, height, "vacant", name+": nobody leads")
	}
	for i, a := range c.terms {
		for _, b := range c.terms[i+1:] {
			if both := a.common(b.span); !both.empty() {
				p.overlap(r, a, b, y)
			}
		}
	}
	return y + height + laneGap
}

// overlap draws when two led and both ran.
func (p *page) overlap(r *Result, a, b term, y float64) {
	for _, s := range without(without([]span{a.common(b.span)}, r.history.stopped[a.Node]), r.history.stopped[b.Node]) {
		p.mark(r, s, y-3, barHeight+6, "bad", fmt.Sprintf("two lead: node %s with token %d, node %s with token %d", a.Node, a.Token, b.Node, b.Token))
	}
}
