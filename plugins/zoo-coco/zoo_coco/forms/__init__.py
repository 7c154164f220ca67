"""Ground truth in other forms than COCO's: label files of YOLO, and Pascal VOC."""
