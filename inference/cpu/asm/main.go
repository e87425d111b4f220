// Command asm writes the assembly kernels of package cpu, and their Go
// declarations, with avo. Run it in its own folder:
//
//	go run .
//
// It writes ../<part>_amd64.s and ../<part>_amd64.go for every part below. The
// output depends on nothing but this source.
//
// Two traps: ADDQ needs U32 immediates, and a parameter called g is read as the
// Go assembler's register g.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/printer"
	"github.com/mmcloughlin/avo/reg"
)

// parts maps the stem of the files of a part to what writes its kernels.
var parts = []struct {
	stem  string
	write func(*program)
}{
	{"tile", tiles},
	{"panel", panels},
	{"row", rows},
	{"backward", backwards},
	{"spin", spin},
}

func main() {
	for _, p := range parts {
		if err := generate("..", p.stem, p.write); err != nil {
			fmt.Fprintf(os.Stderr, "generating %s: %v\n", p.stem, err)
			os.Exit(1) //nolint:forbidigo // this is main
		}
	}
}

func generate(dir, stem string, write func(*program)) error {
	p := &program{Context: build.NewContext(), constants: map[float32]operand.Mem{}, numbers: map[string]operand.Mem{}}
	write(p)
	file, err := p.Result()
	if err != nil {
		var list build.ErrorList
		if errors.As(err, &list) && len(list) > 0 {
			return list[0]
		}
		return err
	}
	if err := pass.Compile.Execute(file); err != nil {
		return err
	}
	cfg := printer.Config{Name: "package asm", Pkg: "cpu"}
	name := filepath.Join(dir, stem+"_amd64")
	if err := output(name+".s", printer.NewGoAsm(cfg), file); err != nil {
		return err
	}
	return output(name+".go", printer.NewStubs(cfg), file)
}

func output(name string, p printer.Printer, file *ir.File) error {
	text, err := p.Print(file)
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(bytes.TrimRight(text, "\n"), '\n'), 0o644)
}

// A program is the text of one part: avo's context, and the constants it holds.
type program struct {
	*build.Context
	constants map[float32]operand.Mem
	numbers   map[string]operand.Mem
}

// text begins a function.
func (p *program) text(name, signature, doc string) {
	p.Function(name)
	p.Doc(doc)
	p.Attributes(attr.NOSPLIT)
	p.Pragma("noescape")
	p.SignatureExpr(signature)
}

// end returns from a function that used vector registers.
func (p *program) end() {
	p.VZEROUPPER()
	p.RET()
}

func (p *program) integer(name string) reg.GPVirtual {
	r := p.GP64()
	p.Load(p.Param(name), r)
	return r
}

// scalar loads a float32 parameter into all lanes.
func (p *program) scalar(name string) reg.VecVirtual {
	v := p.YMM()
	p.VBROADCASTSS(p.parameter(name), v)
	return v
}

// parameter is where a parameter lies.
func (p *program) parameter(name string) operand.Mem {
	m, err := p.Param(name).Resolve()
	if err != nil {
		panic(err) // the generator's own mistake: no such parameter
	}
	return m.Addr
}

// constant is eight copies of v in memory.
func (p *program) constant(v float32) operand.Mem {
	if m, ok := p.constants[v]; ok {
		return m
	}
	m := p.StaticGlobal(fmt.Sprintf("constant%d", len(p.constants)))
	p.DataAttributes(attr.RODATA | attr.NOPTR)
	for range 8 {
		p.AppendDatum(operand.F32(v))
	}
	p.constants[v] = m
	return m
}

// quads is four 64-bit numbers in memory.
func (p *program) quads(name string, values ...uint64) operand.Mem {
	if m, ok := p.numbers[name]; ok {
		return m
	}
	m := p.StaticGlobal(name)
	p.DataAttributes(attr.RODATA | attr.NOPTR)
	for _, v := range values {
		p.AppendDatum(operand.U64(v))
	}
	p.numbers[name] = m
	return m
}

// lanes is a register that holds v in all eight lanes.
func (p *program) lanes(v float32) reg.VecVirtual {
	r := p.YMM()
	p.VMOVUPS(p.constant(v), r)
	return r
}

func (p *program) zero() reg.VecVirtual {
	r := p.YMM()
	p.VXORPS(r, r, r)
	return r
}

// each runs body for i = 0, 8, 16 … below n, which is at least 1.
func (p *program) each(label string, n reg.GPVirtual, body func(i reg.GPVirtual)) {
	i := p.GP64()
	p.XORQ(i, i)
	p.Label(label)
	body(i)
	p.ADDQ(operand.U32(8), i)
	p.CMPQ(i, n)
	p.JL(operand.LabelRef(label))
}

// at is the eight floats at base[i].
func at(base, i reg.GPVirtual) operand.Mem {
	return operand.Mem{Base: base, Index: i, Scale: 4}
}
