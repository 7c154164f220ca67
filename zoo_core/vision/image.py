from __future__ import annotations
import cv2, numpy as np
def read_rgb(path, expect=None, exif=True):
    im = cv2.imread(str(path), cv2.IMREAD_COLOR)
    return im[:, :, ::-1].copy()
def image_size(path):
    return read_rgb(path).shape[:2]
def write_image(path, rgb):
    cv2.imwrite(str(path), rgb[:, :, ::-1])
def draw_detections(image, d, labels, least):
    im = image.copy()
    for b, s, l in zip(d.boxes, d.scores, d.labels):
        if s >= least:
            cv2.rectangle(im, tuple(int(v) for v in b[:2]), tuple(int(v) for v in b[2:]), (255, 0, 0), 2)
    return im
