"""COCO's tasks beside detection: masks and key points of objects."""
