DROP TABLE orders;
DROP TABLE skus;
