"""The tests of Prism: unit mirrors prism/, laws are properties by clause, programs are golden .prism files."""
