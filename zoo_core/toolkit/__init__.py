"""What plugins are built with; the core imports none of it.

archives          zip files from elsewhere, unpacked with care
artefact          the files of the stage `compile`: artefact.json, precision.json, graph.json
coco              annotation files in COCO's form; labels and categories of one name
darknet_cfg       darknet's `.cfg`: sections of options, with their lines
darknet_weights   darknet's `.weights`: read from a memory map, written
datasets          what data sets share: limits, shards, folders of images
detection         what decoders share, candidates, NMS, the rules of a protocol, drawing
detection_txt     detections as one text file per image
download          downloads that resume and are checked
files             digests, kinds, names, the cache, reading with limits (YAML too), writing
foreign           programs of others: their repositories, environments and processes
machine           the processor and the installed packages
onnx_file         ONNX files, read and written without holding their weights twice
options           options of backends, exporters and protocols; the names of calibrators
random_weights    seeded random weights whose activations stay near one
similarity        signal-to-noise ratios of two networks' outputs
verify            the stage that compares a graph with the network it was made from
"""

from __future__ import annotations
